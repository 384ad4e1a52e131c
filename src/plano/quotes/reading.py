"""What one look at a source brought, and how its document is taken apart.

Strict a model, lenient a document: a value that cannot be a price costs that model its price, and
is counted; only a document of another form is a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from plano.catalog.prices import Price
from plano.quotes.fetch import SourceFailed

Value = TypeVar("Value")
Shape = TypeVar("Shape")
Given = TypeVar("Given")
Made = TypeVar("Made")

HIGHEST_USD_PER_MTOK: Final = 100_000.0
"""No list price comes within a hundredth of it: what is above is in another unit."""
UNUSABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What taking an entry apart raises when its values cannot be used."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """Values by the source's own names, and how many could not be used."""

    values: Mapping[str, Value]
    ignored: int = 0
    """Entries with a value that is none: negative, text, out of any range."""


def decoded(document: bytes | msgspec.Raw, shape: type[Shape], *, expected: str) -> Shape:
    """The document as `shape`. Raises SourceFailed, without a word of the document."""
    try:
        return msgspec.json.decode(document, type=shape)
    except msgspec.ValidationError as error:
        raise SourceFailed(f"the answer has another form than {expected}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceFailed(f"the answer is not JSON; expected {expected}") from error


def checked_price(
    input_usd_per_mtok: float, output_usd_per_mtok: float, cached: object = None, cache_write: object = None
) -> Price:
    """Raises ValueError for an amount that is no list price.

    `cached` and `cache_write` are whatever the source has there: where that is no price it is not known,
    which costs the model nothing else.
    """
    for amount in (input_usd_per_mtok, output_usd_per_mtok):
        if not 0 <= amount <= HIGHEST_USD_PER_MTOK:
            raise ValueError(f"expected 0 to {HIGHEST_USD_PER_MTOK:g} US dollars; got {amount:g}")
    return Price(input_usd_per_mtok, output_usd_per_mtok, _if_price(cached), _if_price(cache_write))


def _if_price(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= HIGHEST_USD_PER_MTOK else None


async def offloaded(work: Callable[[Given], Made], given: Given) -> Made:
    """What `work` makes of `given`, in a thread: a document of some MiB would hold the event loop up."""
    return await asyncio.get_running_loop().run_in_executor(None, work, given)
