"""A source server whose every path answers as its script says."""

from __future__ import annotations

import contextlib
import socketserver
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.support.loopback.threads import running

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Conversation:
    """One request that a source got, and the way to answer it."""

    connection: socket.socket
    request: str

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        for line in self.request.split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.sendall(data)

    def answer(self, body: bytes = b"", *, status: str = "200 OK", **headers: str) -> None:
        """Send a whole answer, of the body's length unless the headers say otherwise."""
        fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): each for name, each in headers.items()}
        head = "".join(f"{name}: {each}\r\n" for name, each in fields.items() if each)
        self.send(f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64


@dataclass
class Sources:
    """A server whose every path behaves as its script says."""

    port: int
    scripts: dict[str, Callable[[Conversation], None]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def add(self, script: Callable[[Conversation], None], *, query: str = "") -> str:
        """Return the URL that behaves so."""
        path = f"/{uuid4().hex[:12]}"
        self.scripts[path] = script
        return f"http://127.0.0.1:{self.port}{path}{query}"

    def file(self, file: Path, **headers: str) -> str:
        """Return the URL of a file."""
        return self.add(lambda conversation: conversation.answer(file.read_bytes(), **headers))


def _handler(sources: Sources) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = b""
            with contextlib.suppress(OSError):
                while b"\r\n\r\n" not in received:
                    part = self.request.recv(65536)
                    if not part:
                        return
                    received += part
                request = received.decode()
                sources.requests.append(request)
                path = request.split(" ")[1].partition("?")[0]
                sources.scripts[path](Conversation(self.request, request))

    return Handler


@contextlib.contextmanager
def running_sources() -> Iterator[Sources]:
    """Yield a source server on http://127.0.0.1."""
    sources = Sources(0)
    with running(_Server(("127.0.0.1", 0), _handler(sources))) as sources.port:
        yield sources
