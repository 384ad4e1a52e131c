"""What a model is known to be able to take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Capabilities:
    """None is not known, and nothing is ever refused for it."""

    context_tokens: int | None = None
    """How long a prompt may be."""
    images: bool | None = None
    tools: bool | None = None
    structured_output: bool | None = None
    """Answers after a JSON schema (`json_schema`); JSON of any form is not meant."""

    def over(self, other: Capabilities) -> Capabilities:
        """These, and what the other knows beside them."""
        return Capabilities(
            other.context_tokens if self.context_tokens is None else self.context_tokens,
            other.images if self.images is None else self.images,
            other.tools if self.tools is None else self.tools,
            other.structured_output if self.structured_output is None else self.structured_output,
        )

    @property
    def has_limits(self) -> bool:
        """Whether there is a request that the model is known not to take."""
        return self.context_tokens is not None or False in (self.images, self.tools, self.structured_output)


UNKNOWN: Final = Capabilities()
