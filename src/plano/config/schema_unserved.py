"""Sections about agents and prompts: read, so that files written for them load; served elsewhere."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from plano.config.strict import Strict
from plano.config.units import Flag, Port, Text

Choice = str | int | bool


class Agent(Strict):
    """An agent behind an address."""

    id: Text
    url: Text


class Filter(Strict):
    """A filter behind an address."""

    id: Text
    url: Text
    type: Literal["mcp", "http"] | None = None
    transport: Literal["streamable-http"] | None = None
    tool: Text | None = None


class ListenerAgent(Strict):
    """An agent that a listener offers."""

    id: Text
    description: str
    default: Flag = False
    input_filters: list[Text] = Field([])
    filter_chain: list[Text] = Field([], description="an older name of input_filters")


class HostedEndpoint(Strict):
    """A service that prompt targets call."""

    endpoint: Text
    port: Port | None = None
    connect_timeout: Text | None = None
    protocol: Literal["http", "https"] | None = None
    http_host: Text | None = None
    prefix_affinity: Flag = False


class Parameter(Strict):
    """What a prompt target must be told."""

    name: Text
    description: str
    type: Text
    required: Flag | None = None
    default: Choice | None = None
    enum: list[Choice] | None = None
    in_path: Flag | None = None
    format: str | None = None


class TargetEndpoint(Strict):
    """How a prompt target is called."""

    name: Text
    path: Text
    http_method: Literal["GET", "POST"] | None = None
    http_headers: dict[str, str] = Field({}, repr=False)


class PromptTarget(Strict):
    """A function that prompts may lead to."""

    name: Text
    description: str
    default: Flag = False
    auto_llm_dispatch_on_response: Flag | None = None
    parameters: list[Parameter] = Field([])
    endpoint: TargetEndpoint | None = None
    system_prompt: str | None = None


class GuardMessage(Strict):
    """What a guard answers with."""

    message: str


class Guard(Strict):
    """What a guard does when it finds something."""

    on_exception: GuardMessage


class InputGuards(Strict):
    """Guards of what comes in."""

    jailbreak: Guard


class PromptGuards(Strict):
    """Guards."""

    input_guards: InputGuards | None = None
