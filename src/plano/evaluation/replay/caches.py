"""What the prompt caches of providers hold of one session, as far as a log lets one tell.

Every request is taken to begin with what the one before it held: a conversation that grows, as agents send
it. One that is shorter has been cut, and the caches have lost what was cut off.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from plano.catalog.names import ModelId
from plano.catalog.prices import Price
from plano.catalog.providers import prompt_cache_s
from plano.routing.affinity import Warm
from plano.routing.budget import MTOK, cached_rate


@dataclass(frozen=True, slots=True)
class Read:
    """The tokens of one request, by how its model came to them."""

    hit: int
    """In the cache of its provider."""
    missed: int
    """Read in this session before, and read again: by another model, or after the cache was over."""
    new: int
    """Never read in this session before."""


@dataclass(slots=True)
class Caches:
    """Of one session, on one course through it."""

    context: int = 0
    """The tokens of the latest request."""
    warm: dict[ModelId, Warm] = field(default_factory=dict)

    def read(self, model: ModelId, tokens: int, at: float) -> Read:
        """Have `model` read a context; from then on its provider holds it."""
        held = self.warm.get(model)
        is_held = held is not None and at - held.at <= prompt_cache_s(model)
        hit = min(held.tokens, tokens) if held is not None and is_held else 0
        new = min(tokens - hit, max(0, tokens - self.context))
        if tokens < self.context:
            cut = {each: Warm(min(warm.tokens, tokens), warm.at) for each, warm in self.warm.items()}
            self.warm = cut
        self.warm[model] = Warm(tokens, int(at))
        self.context = tokens
        return Read(hit, tokens - hit - new, new)


@dataclass(frozen=True, slots=True)
class Bill:
    """US dollars."""

    reads: float
    """Of what caches held."""
    writes: float
    """Of what was new."""
    misses: float
    """Of what had been read before."""
    output: float


def bill(read: Read, output_tokens: int, price: Price, discount: float) -> Bill:
    """What a request costs. Whatever no cache held is put into one, at the price of that where it has one."""
    written = price.cache_write_usd_per_mtok
    fresh = (price.input_usd_per_mtok if written is None else written) / MTOK
    return Bill(
        read.hit * cached_rate(price, discount) / MTOK,
        read.new * fresh,
        read.missed * fresh,
        output_tokens * price.output_usd_per_mtok / MTOK,
    )
