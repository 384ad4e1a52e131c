"""The windows of gateway keys in Redis: one question, one round trip, and nobody comes in between.

A window is a whole number under a key of its own that Redis forgets when the window ends.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from plano.keys.shared import Entry, Standing, Verdict
from plano.keys.windows import NAMESPACE
from plano.routing.affinity import Unavailable
from plano.stores.redis.guard import Guard, Use
from plano.stores.redis.link import Argument, Reply
from plano.stores.redis.trouble import NotRedis

PROBE = Entry(f"{NAMESPACE}:{{ probe }}", 1, takes=1)
"""What the background task counts in: no key's digest has a space."""
TOLD_MS = 60_000
"""For how long what was told is known by its mark. Who got no answer tells it again as soon as Redis
answers anybody."""

SCRIPT = """\
-- KEYS: the mark of what is told, then the windows.
-- ARGV: how long the mark stays, 0 for nothing told; then of each window
-- what it is told, its most (-1: not asked), what is taken, how long it lasts.
local count, had = #KEYS - 1, {}
local function of(i, what) return ARGV[1 + 4 * (i - 1) + what] end
local function add(i, amount)
  had[i] = redis.call('INCRBY', KEYS[i + 1], amount)
  if redis.call('PTTL', KEYS[i + 1]) < 0 then redis.call('PEXPIRE', KEYS[i + 1], of(i, 4)) end
end
for i = 1, count do
  local found = redis.pcall('GETRANGE', KEYS[i + 1], 0, 15)
  if type(found) == 'table' then
    if string.find(found.err, 'WRONGTYPE', 1, true) then return {-i} end
    return found
  end
  if found == '' then found = '0' end
  if #found > 15 or not string.match(found, '^%d+$') then return {-i} end
  had[i] = tonumber(found)
end
if ARGV[1] ~= '0' and redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then
  for i = 1, count do
    if tonumber(of(i, 1)) > 0 then add(i, of(i, 1)) end
  end
end
local full = 0
for i = count, 1, -1 do
  local most = tonumber(of(i, 2))
  if most >= 0 and had[i] >= most then full = i end
end
local reply = {full}
for i = 1, count do
  if full == 0 and tonumber(of(i, 3)) > 0 then add(i, of(i, 3)) end
  local left = redis.call('PTTL', KEYS[i + 1])
  if left == -1 then
    left = tonumber(of(i, 4))
    redis.call('PEXPIRE', KEYS[i + 1], left)
  end
  reply[#reply + 1] = had[i]
  reply[#reply + 1] = math.max(left, 0)
end
return reply
"""
"""What is no count is refused before anything is written. A window without an end gets one."""

_FOREIGN = "what stands under the key is no count"
_log = logging.getLogger(__name__)


class RedisWindows(Guard):
    """A `SharedWindows` for one event loop. `start` it, `close` it."""

    use = Use(
        "gateway keys",
        "each worker counts by itself what keys have had",
        "what keys have had is counted together again",
    )
    _complained_of = ""

    async def ask(self, entries: Sequence[Entry], told_as: str) -> Verdict | Unavailable:
        return await self.within_limits(lambda: self._ask(entries, told_as))

    async def _ask(self, entries: Sequence[Entry], told_as: str) -> Verdict | Unavailable:
        first = entries[0].name
        mark = f"{first[: first.index('}') + 1]}:told:{told_as}"
        arguments: list[Argument] = [TOLD_MS if told_as else 0]
        for entry in entries:
            most = -1 if entry.most is None else entry.most
            arguments += (entry.tells, most, entry.takes, entry.lasts_s * 1000)
        names = (mark, *(entry.name for entry in entries))
        match await self._link.ask(first, ("EVAL", SCRIPT, len(names), *names, *arguments)):
            case [int(place)] if -len(entries) <= place < 0:
                return self._foreign(entries[-place - 1].name)
            case [int(full), *standings] if 0 <= full <= len(entries):
                return Verdict(full - 1 if full else None, _standings(standings, len(entries)))
            case _:
                raise NotRedis

    async def _try_out(self) -> None:
        await self._ask((PROBE,), "")

    def _foreign(self, name: str) -> Unavailable:
        if name != self._complained_of:
            self._complained_of = name
            _log.warning("gateway keys: Redis has something under %s that is no count; delete it", name)
        return Unavailable(_FOREIGN)


def _standings(reply: list[Reply], count: int) -> tuple[Standing, ...]:
    numbers = [each for each in reply if isinstance(each, int)]
    if len(numbers) != 2 * count or len(reply) != len(numbers):
        raise NotRedis
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple(Standing(had, left_ms / 1000) for had, left_ms in pairs)
