"""A response object: the body of a whole answer, and a member of the events of a stream."""

from __future__ import annotations

import msgspec

from plano.chat.usage import Usage
from plano.wire import loose
from plano.wire.facts import Complaint
from plano.wire.loose import NOTHING
from plano.wire.openai_errors import complaint_of

_UNKNOWN = Usage()


class Response(msgspec.Struct, gc=False):
    """The members that are learnt from, undecoded: whatever is in them, a response can be read."""

    id: msgspec.Raw = NOTHING
    model: msgspec.Raw = NOTHING
    status: msgspec.Raw = NOTHING
    usage: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING
    incomplete_details: msgspec.Raw = NOTHING
    object: msgspec.Raw = NOTHING
    output: msgspec.Raw = NOTHING

    @property
    def is_answer(self) -> bool:
        return loose.text(self.object) == "response" or loose.is_list(self.output)

    def finish_reason(self) -> str | None:
        """Why it stopped early, else its status (`completed`, `failed`); None while it is under way."""
        status = loose.text(self.status)
        if status == "incomplete":
            return loose.text_at(loose.value(self.incomplete_details), "reason") or status
        return None if status in ("in_progress", "queued") else status

    def complaint(self) -> Complaint | None:
        found = complaint_of(loose.value(self.error))
        if found is None and loose.text(self.status) == "failed":
            return Complaint((), "the response failed, no reason given")
        return found


def usage_of(raw: msgspec.Raw) -> Usage | None:
    """Cached tokens are among the input's already."""
    found = loose.fields(loose.value(raw))
    read = loose.fields(found.get("input_tokens_details"))
    written = loose.fields(found.get("output_tokens_details"))
    count = loose.count
    usage = Usage(
        count(found.get("input_tokens")),
        count(found.get("output_tokens")),
        count(read.get("cached_tokens")),
        count(read.get("cache_write_tokens")),
        count(written.get("reasoning_tokens")),
    )
    return None if usage == _UNKNOWN else usage
