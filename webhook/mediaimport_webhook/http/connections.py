"""Connections of one server: how many there are, and how many of one address have sent part of a request's head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

from mediaimport_webhook.http.held import Held

if TYPE_CHECKING:
    from collections.abc import MutableMapping

MAX_CONNECTIONS = 4000
MAX_HEADS_PER_ADDRESS = 100
"""Of requests whose head has begun and is not whole: a proxy sends a head at once."""


class Closable(Protocol):
    """Connection that is ended to make room for another."""

    def give_way(self) -> None:
        """Close."""


@dataclass
class Connections:
    """Counts. The connection that has been idle for longest gives way to a new one beyond the limit."""

    max_connections: int = MAX_CONNECTIONS
    max_heads_per_address: int = MAX_HEADS_PER_ADDRESS
    open: int = 0
    _idle: dict[Closable, None] = field(default_factory=dict)
    _heads: Held = field(default_factory=Held)

    def made(self) -> bool:
        """Count a new connection; return False if it must go, since none is idle."""
        self.open += 1
        if self.open > self.max_connections:
            if not self._idle:
                return False
            oldest = next(iter(self._idle))
            self.busy(oldest)
            oldest.give_way()
        return True

    def lost(self, connection: Closable) -> None:
        """Forget a connection."""
        self.open -= 1
        self.busy(connection)

    def idle(self, connection: Closable) -> None:
        """Note that a connection waits for a request."""
        self._idle.pop(connection, None)
        self._idle[connection] = None

    def busy(self, connection: Closable) -> None:
        """Note that a connection has a request."""
        self._idle.pop(connection, None)

    def begin_head(self, address: str) -> bool:
        """Count a head; return whether the address may have that many."""
        return self._heads.take(address) <= self.max_heads_per_address

    def end_head(self, address: str) -> None:
        """Forget a head that is whole or never will be."""
        self._heads.give_back(address)


_of_servers: MutableMapping[object, Connections] = WeakKeyDictionary()


def connections_of(server: object) -> Connections:
    """Return the counts of a server, by its state."""
    return _of_servers.setdefault(server, Connections())
