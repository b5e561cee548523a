"""Sources behind a real proxy: CONNECT for https, the whole URL for http."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.spec import Source
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.source.guard import Pace
from mediaimport_importer.source.open import Access, opened
from mediaimport_importer.source.proxy import Proxy
from mediaimport_runtime.environment import BadSettingError, Environment

from tests.support.loopback.files import running_files
from tests.support.loopback.threads import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.import_runner import Imports
    from tests.support.loopback.certificate import Certificate
    from tests.support.media_studio import Studio
    from tests.support.source_server import Sources

BODY = bytes(range(256)) * 1000
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@dataclass
class LoopbackProxy:
    """Resolves every name to 127.0.0.1, as a proxy that knows more names than its clients."""

    port: int = 0
    credentials: str = ""
    refuses: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return what SOURCE_PROXY_URL says."""
        return f"http://{self.credentials}{'@' if self.credentials else ''}127.0.0.1:{self.port}"

    def answer(self, client: socket.socket) -> None:
        """Pass one request on, and what follows."""
        request = _head(client)
        method, target, _ = request.split("\r\n")[0].split(" ")
        self.asked.append(request)
        authorization = f"Proxy-Authorization: Basic {b64encode(self.credentials.encode()).decode()}"
        if self.credentials and authorization not in request:
            return client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        if self.refuses:
            return client.sendall(f"HTTP/1.1 {self.refuses}\r\nContent-Length: 0\r\n\r\n".encode())
        parts = urlsplit(target if method == "GET" else f"//{target}")
        with socket.create_connection(("127.0.0.1", parts.port or 80)) as upstream:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                threading.Thread(target=_pump, args=(client, upstream), daemon=True).start()
            else:
                upstream.sendall(request.replace(target, parts.path, 1).encode())
            _pump(upstream, client)
        return None


def _head(client: socket.socket) -> str:
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(1)
    return received.decode()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def proxy() -> Iterator[LoopbackProxy]:
    made = LoopbackProxy()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            made.answer(self.request)

    with running(_Server(("127.0.0.1", 0), Handler)) as made.port:
        yield made


def fetched(url: str, proxy: LoopbackProxy | None, *, proxy_url: str = "", allowed: bool = True) -> bytes:
    policy = SourcePolicy((LOOPBACK,) if allowed else (), frozenset({80, 443, urlsplit(url).port or 80}))
    named = Proxy.read(Environment({"SOURCE_PROXY_URL": proxy_url or proxy.url})) if proxy else None
    with opened(Source(url=url), Access(policy, Pace(time.monotonic() + 20), proxy=named)) as media:
        return b"".join(media.pieces())


def refused(url: str, proxy: LoopbackProxy, *, proxy_url: str = "", allowed: bool = True) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        fetched(url, proxy, proxy_url=proxy_url, allowed=allowed)
    return caught.value


def test_http_source_is_fetched_by_the_proxy(sources: Sources, proxy: LoopbackProxy) -> None:
    url = sources.add(lambda conversation: conversation.answer(BODY))

    assert fetched(url, proxy) == BODY
    assert proxy.asked[0].startswith(f"GET {url} ")


def test_https_source_is_reached_through_a_tunnel_that_hides_its_path(
    proxy: LoopbackProxy, certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "video.mp4").write_bytes(BODY)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))

    with running_files(tmp_path, certificate=certificate) as port:
        assert fetched(f"https://127.0.0.1:{port}/video.mp4", proxy) == BODY
        assert proxy.asked[0].startswith(f"CONNECT 127.0.0.1:{port} ")
        assert "video" not in "".join(proxy.asked)


def test_redirect_goes_through_the_proxy_too(sources: Sources, proxy: LoopbackProxy) -> None:
    end = sources.add(lambda conversation: conversation.answer(BODY))
    start = sources.add(lambda conversation: conversation.answer(status="302 Found", Location=end))

    assert fetched(start, proxy) == BODY
    assert len(proxy.asked) == 2


def test_name_that_only_the_proxy_knows_is_its_to_resolve(sources: Sources, proxy: LoopbackProxy) -> None:
    url = sources.add(lambda conversation: conversation.answer(BODY)).replace("127.0.0.1", "media.invalid")

    assert fetched(url, proxy, allowed=False) == BODY


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "localhost", "2130706433", "0x7f.1"]
)
@pytest.mark.attack(
    "SSRF: a private address behind a proxy, in several spellings", "SourceBlocked; the proxy gets no request"
)
def test_proxy_gets_no_request_for_a_refused_address(sources: Sources, proxy: LoopbackProxy, host: str) -> None:
    error = refused(f"http://{host}:{sources.port}/", proxy, allowed=False)

    assert error.reason is Reason.SOURCE_BLOCKED
    assert proxy.asked == []


@pytest.mark.attack(
    "SSRF: a redirect to a private address, through a proxy", "SourceBlocked; the proxy gets no request"
)
def test_redirect_to_a_private_address_is_blocked_behind_a_proxy(sources: Sources, proxy: LoopbackProxy) -> None:
    url = sources.add(lambda conversation: conversation.answer(status="302 Found", Location="http://10.0.0.1/"))

    assert refused(url, proxy).reason is Reason.SOURCE_BLOCKED
    assert len(proxy.asked) == 1


def test_credentials_go_to_the_proxy_and_into_no_message(sources: Sources, proxy: LoopbackProxy) -> None:
    proxy.credentials = "user:hidden"
    url = sources.add(lambda conversation: conversation.answer(BODY))

    assert fetched(url, proxy) == BODY
    error = refused(url, proxy, proxy_url=f"http://user:wrong-hidden@127.0.0.1:{proxy.port}")
    assert (error.reason, error.http_status) == (Reason.SOURCE_UNAVAILABLE, 407)
    assert "SOURCE_PROXY_URL" in error.public_message
    assert "hidden" not in error.public_message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("403 Forbidden", Reason.SOURCE_BLOCKED),
        ("407 Proxy Authentication Required", Reason.SOURCE_UNAVAILABLE),
        ("502 Bad Gateway", Reason.SOURCE_UNAVAILABLE),
    ],
)
def test_proxy_that_refuses_a_tunnel_is_named(proxy: LoopbackProxy, answer: str, reason: Reason) -> None:
    proxy.refuses = answer

    error = refused("https://media.invalid/video.mp4", proxy)

    assert error.reason is reason
    assert "the proxy" in error.public_message


def test_proxy_that_is_gone_is_named(proxy: LoopbackProxy) -> None:
    error = refused("http://media.invalid/", proxy, proxy_url="http://127.0.0.1:1")

    assert error.reason is Reason.SOURCE_UNAVAILABLE
    assert "behind the proxy 127.0.0.1" in error.public_message


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxies_of_the_environment_are_not_looked_at(
    sources: Sources, proxy: LoopbackProxy, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    url = sources.add(lambda conversation: conversation.answer(BODY))

    assert fetched(url, None) == BODY
    assert proxy.asked == []


def test_whole_import_goes_through_the_proxy_that_its_setting_names(
    imports: Imports, sources: Sources, studio: Studio, proxy: LoopbackProxy
) -> None:
    task = imports.task(sources.file(studio.video()))

    ran = subprocess.run(
        [sys.executable, "-m", "mediaimport_importer"],
        env=imports.variables(task, SOURCE_PROXY_URL=proxy.url) | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout
    assert [asked.split(" ")[0] for asked in proxy.asked] == ["GET"]


@pytest.mark.parametrize(
    "value", ["proxy:3128", "socks5://proxy:1080", "http://", "http://proxy:port", "http://user:hidden@proxy/path"]
)
def test_bad_proxy_url_names_its_variable_and_hides_its_password(value: str) -> None:
    with pytest.raises(BadSettingError, match="SOURCE_PROXY_URL") as caught:
        Proxy.read(Environment({"SOURCE_PROXY_URL": value}))

    assert "hidden" not in str(caught.value)
