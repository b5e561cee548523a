"""A proxy in front of a store that sees whole requests: it can fail, cut or alter the n-th of them, over TLS too."""

from __future__ import annotations

import re
import socket
import socketserver
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback.threads import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.loopback.store import Store

WRITES = frozenset({"PUT", "POST", "DELETE"})


_CHECKSUM = re.compile(rb"<(Checksum[A-Z0-9]+)>[^<]*</\1>")
_DENIED_BODY = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
_DENIED = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(_DENIED_BODY)}\r\n\r\n".encode()


class CutError(Exception):
    """The connection ends here, behind a part of the answer if `alter_answer` raises it."""

    def __init__(self, part: bytes = b"") -> None:
        super().__init__()
        self.part = part


@dataclass(frozen=True)
class Request:
    """One request to the store. `operation` is S3's name of it, as far as tests distinguish them."""

    method: str
    target: str
    head: str = field(default="", repr=False)

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        lines = (line.partition(": ") for line in self.head.split("\r\n")[1:])
        return next((value for key, _, value in lines if key.lower() == name), None)

    @property
    def key(self) -> str:
        """Return the object's key."""
        return urlsplit(self.target).path.lstrip("/").partition("/")[2]

    @property
    def operation(self) -> str:
        """Return S3's name of the request."""
        query = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        names = {
            ("POST", True): "CompleteMultipartUpload" if "uploadId" in query else "CreateMultipartUpload",
            ("PUT", True): "UploadPart",
            ("DELETE", True): "AbortMultipartUpload",
            ("GET", True): "ListMultipartUploads",
        }
        multipart = "uploads" in query or "uploadId" in query
        plain = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
        return names.get((self.method, multipart)) or plain[self.method]

    def __str__(self) -> str:
        """Return operation and name of the object."""
        return f"{self.operation} {self.key.rpartition('/')[2]}".strip()


def _pass(_: Request) -> None:
    """Let a request pass."""


def _allow(_: Request) -> bool:
    return False


def _accept(_: Request) -> bytes | None:
    return None


def xml_error(request: Request, status: str, code: str) -> bytes:
    """Return the answer of a store that refuses a request; one to HEAD has no body."""
    body = b"" if request.method == "HEAD" else f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def _same(_: Request, body: bytes) -> bytes:
    return body


def without_checksums(request: Request, answer: bytes) -> bytes:
    """Return an answer about an object as a store without checksums gives it, in its head and in its XML."""
    if request.operation == "UploadPart":
        return answer
    head, blank, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"x-amz-checksum")]
    return b"\r\n".join(lines) + blank + _CHECKSUM.sub(lambda found: b" " * len(found[0]), body)


@dataclass
class StoreProxy:
    """A proxy and its faults.

    `before`, `after` and `alter_answer` may raise CutError; `alter` returns another body, `alter_answer` another
    answer; `denies` answers with AccessDenied in the store's place, `refuses` with what it returns.
    """

    store: Store
    before: Callable[[Request], None] = _pass
    after: Callable[[Request], None] = _pass
    alter: Callable[[Request, bytes], bytes] = _same
    alter_answer: Callable[[Request, bytes], bytes] = _same
    denies: Callable[[Request], bool] = _allow
    refuses: Callable[[Request], bytes | None] = _accept
    port: int = 0
    requests: list[Request] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """Return the variable that leads an importer through this proxy."""
        return {"S3_ENDPOINT_URL": self.store.url(self.port)}

    @property
    def writes(self) -> list[str]:
        """Return the writes so far."""
        return [str(each) for each in self.requests if each.method in WRITES]


@dataclass
class _Message:
    """Head and body as they came."""

    head: bytes
    body: bytes

    @property
    def start(self) -> list[str]:
        return self.head.split(b"\r\n", 1)[0].decode().split(" ")


def _read(stream: IO[bytes], *, has_body: bool = True, on_expect: Callable[[], None] = lambda: None) -> _Message | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        if line.lower().startswith(b"expect:"):
            on_expect()
        else:
            head += line
    return _Message(head, _body(stream, head.lower()) if has_body else b"")


def _body(stream: IO[bytes], head: bytes) -> bytes:
    if b"\r\ntransfer-encoding: chunked\r\n" in head:
        return b"".join(_chunks(stream))
    length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return stream.read(int(length)) if length else b""


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    size = -1
    while size:
        line = stream.readline()
        if not line:
            raise CutError
        yield line
        size = int(line.partition(b";")[0], 16)
        yield stream.read(size + 2)


def _handler(proxy: StoreProxy) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, CutError, ValueError), _connected(proxy.store) as upstream:
                client = _served(self.request, proxy.store)
                with client, client.makefile("rb") as sent, upstream.makefile("rb") as answered:
                    while self._exchange(client, sent, upstream, answered):
                        pass

        def _exchange(
            self, client: socket.socket, sent: IO[bytes], upstream: socket.socket, answered: IO[bytes]
        ) -> bool:
            message = _read(sent, on_expect=lambda: client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"))
            if message is None:
                return False
            method, target, *_ = message.start
            request = Request(method, target, message.head.decode())
            proxy.requests.append(request)
            proxy.before(request)
            if proxy.denies(request):
                client.sendall(_DENIED + (b"" if request.method == "HEAD" else _DENIED_BODY))
                return request.method != "HEAD"
            refusal = proxy.refuses(request)
            if refusal is not None:
                client.sendall(refusal)
                return False
            upstream.sendall(message.head + proxy.alter(request, message.body))
            answer = _read(answered, has_body=request.method != "HEAD")
            if answer is None:
                return False
            proxy.after(request)
            try:
                client.sendall(proxy.alter_answer(request, answer.head + answer.body))
            except CutError as cut:
                client.sendall(cut.part)
                raise
            return b"\r\nconnection: close\r\n" not in answer.head.lower()

    return Handler


def _connected(store: Store) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", store.port))
    if store.certificate is None:
        return plain
    context = ssl.create_default_context(cafile=store.certificate.authority)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def _served(connection: socket.socket, store: Store) -> socket.socket:
    return (
        connection
        if store.certificate is None
        else store.certificate.server_context().wrap_socket(connection, server_side=True)
    )


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing: cut connections are what these tests are about."""


@contextmanager
def proxied(store: Store) -> Iterator[StoreProxy]:
    """Yield a running proxy in front of the store."""
    proxy = StoreProxy(store)
    with running(_Server(("127.0.0.1", 0), _handler(proxy))) as proxy.port:
        yield proxy


@dataclass
class Outage:
    """A store that is away: every request between `begin` and `end` is cut."""

    away: threading.Event = field(default_factory=threading.Event)

    def __call__(self, _: Request) -> None:
        """Cut the request if the store is away."""
        if self.away.is_set():
            raise CutError
