"""The names a model goes by, kept apart by type."""

from __future__ import annotations

from typing import NewType

RequestedModel = NewType("RequestedModel", str)
"""What the client wrote in `model`."""
ModelId = NewType("ModelId", str)
"""A declared model in full: `<provider>/<model id>`; what `x-plano-model` shows."""
ServedModel = NewType("ServedModel", str)
"""What the provider says has answered."""
ProviderId = NewType("ProviderId", str)
"""The part before the first slash: `openai`, `anthropic`, a custom prefix."""
RouteName = NewType("RouteName", str)
"""The name of a routing preference."""
