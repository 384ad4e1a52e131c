"""How much each key has had: windows for the strategies of `limits`, and what is under way.

The storage is this process's memory. The library's own reads the wall's clock, and starts a thread or a
task to clear up; this one is handed a clock and clears up when a window begins.
"""

from __future__ import annotations

from collections.abc import Callable

from limits.storage import Storage


class Window:
    """One count, until it expires."""

    __slots__ = ("count", "ends")

    def __init__(self, ends: float) -> None:
        self.count = 0
        self.ends = ends


class WindowStorage(Storage):
    """Counts that expire, by the key that `limits` gives a window."""

    STORAGE_SCHEME = ["plano"]  # noqa: RUF012 - the library asks for a list on the class, and names it in a registry

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: seconds, of a clock that never goes back."""
        super().__init__()
        self._now = now
        self._windows: dict[str, Window] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        window = self._open(key)
        if window is None:
            self._clear_up()
            window = self._windows[key] = Window(self._now() + expiry)
        window.count += amount
        return window.count

    def get(self, key: str) -> int:
        window = self._open(key)
        return 0 if window is None else window.count

    def get_expiry(self, key: str) -> float:
        """When the window ends; now, where there is none."""
        window = self._open(key)
        return self._now() if window is None else window.ends

    def learn(self, key: str, count: int, left_s: float) -> None:
        """How the window stands elsewhere, where others count in it, too."""
        if left_s <= 0:
            self._windows.pop(key, None)
            return
        window = self._windows.get(key)
        if window is None:
            self._clear_up()
            window = self._windows[key] = Window(0.0)
        window.count, window.ends = count, self._now() + left_s

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def _open(self, key: str) -> Window | None:
        window = self._windows.get(key)
        return None if window is None or window.ends <= self._now() else window

    def _clear_up(self) -> None:
        """A window begins about once a minute for each key, and so do its predecessors go."""
        now = self._now()
        for key in [key for key, window in self._windows.items() if window.ends <= now]:
            del self._windows[key]


class Counts:
    """What all keys have had in this process; outlives a configuration that is replaced."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.windows = WindowStorage(now)
        self.under_way: dict[bytes, int] = {}
        """Requests, by the digest of the key; no entry for none."""

    def begin(self, digest: bytes) -> None:
        self.under_way[digest] = self.under_way.get(digest, 0) + 1

    def end(self, digest: bytes) -> None:
        left = self.under_way[digest] - 1
        if left:
            self.under_way[digest] = left
        else:
            del self.under_way[digest]
