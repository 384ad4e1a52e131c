"""All targets, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tests.fuzz.target import Target
from tests.fuzz.targets import answers, files, http_edges, request_bodies, sessions, telling

_MODULES = (http_edges, request_bodies, answers, sessions, files, telling)

EVERY: Mapping[str, Target] = MappingProxyType(
    {target.name: target for module in _MODULES for target in module.TARGETS}
)
