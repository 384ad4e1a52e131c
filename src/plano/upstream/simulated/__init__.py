"""The provider that lives in this process: answers without a key, a network or a model.

For trying Plano, for its own tests and for benchmarks. Every answer says that it is a simulation,
in its text, its id and its headers; the same request always gets the same bytes.
"""

from __future__ import annotations

from plano.upstream.simulated.provider import Simulated

__all__ = ["Simulated"]
