"""What a model may be called: `<provider>/<model id>`, or `<provider>/*` for all of a provider's."""

from __future__ import annotations

from typing import Final

LONGEST_NAME: Final = 256
"""A name that is longer is nobody's; it also bounds what a look-up that fails costs."""
NOT_NAMED: Final = frozenset(("", "none", "auto", "plano/auto"))
"""What clients send as `model` to say: decide for me. Nothing can be called so."""

_STEPS: Final = frozenset((".", ".."))
"""Parts of a path that name no place but lead to one."""
_FAMILIES: Final = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "gemini"),
    ("deepseek-", "deepseek"),
    ("mistral-", "mistral"),
    ("ministral-", "mistral"),
    ("codestral-", "mistral"),
    ("grok-", "xai"),
    ("kimi-", "moonshotai"),
    ("glm-", "zhipu"),
    ("qwen", "qwen"),
)
"""How ids begin, and whose they usually are: only for suggestions."""


def is_model_name(text: str) -> bool:
    """Whether `text` may be `provider/model`: it goes into header fields, so visible ASCII only, and into
    paths, where `.` and `..` are no names."""
    provider, slash, model = text.partition("/")
    well_formed = bool(provider and slash and model) and len(text) <= LONGEST_NAME
    return well_formed and all(map(_is_visible, text)) and not _STEPS.intersection(text.split("/"))


def _is_visible(letter: str) -> bool:
    return "!" <= letter <= "~"


def what_is_wrong(text: str) -> str | None:
    """What in `text` no model's name has, where its form alone does not show that."""
    if len(text) > LONGEST_NAME:
        return f"it has {len(text)} characters, and at most {LONGEST_NAME} are taken"
    strange = next((letter for letter in text if not _is_visible(letter)), None)
    if strange is not None:
        called = "a space" if strange == " " else repr(strange)
        return f"there is {called} in it, and only visible ASCII characters are taken"
    step = next((part for part in text.split("/") if part in _STEPS), None)
    if step is not None:
        return f"the part {step!r} would lead out of the provider's path"
    if "*" in text and not is_declarable(text):
        return "'*' stands for all models, as the whole last part"
    return None


def is_declarable(text: str) -> bool:
    """The same, with a star nowhere but as the whole last part."""
    stars = text.count("*")
    return is_model_name(text) and (stars == 0 or (stars == 1 and is_wildcard(text)))


def is_wildcard(text: str) -> bool:
    return text.endswith("/*")


def suggest_full(bare: str) -> str | None:
    """`openai/gpt-4o` for `gpt-4o`, where the id gives its provider away."""
    owner = next((provider for start, provider in _FAMILIES if bare.startswith(start)), None)
    full = f"{owner}/{bare}"
    return full if owner and is_model_name(full) else None
