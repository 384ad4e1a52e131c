"""How texts look once they are embedded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""Rows of length one, or numbers computed from such."""

Encode = Callable[[Sequence[str]], Vectors]
"""Texts to unit vectors, one row a text."""
