"""The ways to Redis: one server, a master that Sentinels name, or the servers of a cluster."""

from __future__ import annotations

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, ResponseError

from plano.redis_url import Address, Cluster, Endpoint, Sentinels, Socket
from plano.stores.redis.connecting import Connector
from plano.stores.redis.link import Command, Link, Reply
from plano.stores.redis.pool import Pool

MOST_NODES = 64
"""Of a cluster: what a server says of others is not believed without end."""


def link_to(address: Address) -> Link:
    """A link to what stands at `address`; connects to nothing yet. Raises OSError when a file that the
    address names for TLS cannot be read."""
    connector = Connector(address)
    match address.at:
        case Cluster() as cluster:
            return ClusterLink(cluster, connector)
        case Sentinels() as sentinels:
            return ServerLink(Pool(lambda: connector.master(sentinels)))
        case Endpoint() | Socket() as server:
            return ServerLink(Pool(lambda: connector.server(server)))


class ServerLink:
    """All keys are at one server."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ask(self, key: str, command: Command) -> Reply:
        return await self._pool.ask(command)

    async def renew(self) -> None:
        await self._pool.renew()

    async def close(self) -> None:
        await self._pool.close()


class ClusterLink:
    """Every key is at the server that has its slot. The slots are learned when connecting and from servers
    that say a key has moved; what fails is forgotten, and somebody else asked."""

    def __init__(self, cluster: Cluster, connector: Connector) -> None:
        self._seeds = list(cluster.endpoints)
        self._connector = connector
        self._nodes: dict[Endpoint, Pool] = {}
        self._slots: dict[int, Endpoint] = {}

    async def ask(self, key: str, command: Command) -> Reply:
        slot = key_slot(key.encode())
        at = self._slots.get(slot, self._seeds[0])
        try:
            return await self._node(at).ask(command)
        except MovedError as moved:
            at = self._slots[slot] = _named(moved, at)
            return await self._node(at).ask(command)
        except AskError as asked:
            return await self._node(_named(asked, at)).ask(("ASKING",), command)
        except ResponseError:
            raise
        except BaseException:  # a slow server's questions end by cancellation
            self._doubt(slot, at)
            raise

    async def renew(self) -> None:
        await self.close()
        self._nodes.clear()
        self._slots.clear()
        seed = self._seeds[0]
        try:
            self._learn(await self._node(seed).ask(("CLUSTER", "SLOTS")), seed)
        except BaseException:
            self._doubt(-1, seed)
            raise

    async def close(self) -> None:
        for node in list(self._nodes.values()):
            await node.close()

    def _node(self, at: Endpoint) -> Pool:
        node = self._nodes.get(at)
        if node is None:
            if len(self._nodes) >= MOST_NODES:
                raise ConnectionError(f"the cluster names more than {MOST_NODES} servers")
            node = self._nodes[at] = Pool(lambda: self._connector.server(at))
        return node

    def _doubt(self, slot: int, at: Endpoint) -> None:
        """Ask another for the slot next time; one that is well knows who has it."""
        self._slots.pop(slot, None)
        if at == self._seeds[0]:
            self._seeds.append(self._seeds.pop(0))

    def _learn(self, reply: Reply, seed: Endpoint) -> None:
        """https://redis.io/docs/latest/commands/cluster-slots/: each range's first server is its master."""
        if not isinstance(reply, list):
            return
        for each in reply:
            match each:
                case [int(first), int(last), [host, int(port), *_], *_] if 0 <= first <= last < 16384:
                    at = Endpoint(host.decode() if host else seed.host, port)
                    self._slots.update(dict.fromkeys(range(first, last + 1), at))


def _named(elsewhere: AskError, at: Endpoint) -> Endpoint:
    """Without a host it is the one that said so."""
    return Endpoint(elsewhere.host or at.host, elsewhere.port)
