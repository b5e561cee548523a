"""Media behind http and https: redirects by hand, resumed when cut short, never decoded."""

from __future__ import annotations

import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urljoin, urlsplit

import certifi
import httpcore
from mediaimport_api import __version__
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import DEFAULT_PORTS

from mediaimport_importer.errors import RefusedError, UnavailableError
from mediaimport_importer.source.answers import REDIRECTS, Answer, dies, refusal
from mediaimport_importer.source.proxy import refusal as refusal_of_proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from mediaimport_api.source_policy import SourcePolicy

    from mediaimport_importer.source.guard import Network
    from mediaimport_importer.source.headers import SecretHeaders

MAX_REDIRECTS = 3
MAX_RESUMES = 8
MAX_FRUITLESS = 3
RESUME_WAIT_S = 0.5
_CUT = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)
_HEADERS = {
    "User-Agent": f"MediaImport/{__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


@dataclass
class HttpSource:
    """One GET, followed to its end. Use as a context manager."""

    url: str
    policy: SourcePolicy
    network: Network
    expires_at: datetime | None = None
    tls: ssl.SSLContext | None = None
    secret: SecretHeaders | None = None
    asked: Callable[[], object] = lambda: None
    """Called when a request is sent, before its answer is waited for."""

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self.size_bytes: int | None = None

    def __enter__(self) -> Self:
        """Send the request, follow redirects, judge the answer."""
        with ExitStack() as unless_good:
            unless_good.callback(self._stack.close)
            self._response = self._get({})
            answer = _answer(self._response)
            refused = self._refusal(answer)
            if refused is not None:
                raise refused
            unless_good.pop_all()
        self.size_bytes, self._validator = answer.length, answer.validator
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._stack.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives; resume when it is cut short, Truncated when that is not to be had."""
        position, resumes, fruitless = 0, 0, 0
        while True:
            begun_at = position
            cut: Exception | None = None
            try:
                for piece in self._response.iter_stream():
                    position += len(piece)
                    yield piece
            except _CUT as error:
                cut = error
            if cut is None and self.size_bytes in {None, position}:
                return
            resumes, fruitless = resumes + 1, 0 if position > begun_at else fruitless + 1
            if resumes > MAX_RESUMES or fruitless > MAX_FRUITLESS:
                raise self._truncated(position, "and was cut short again and again")
            self._resume(position, wait_s=RESUME_WAIT_S * 2**fruitless)

    def _resume(self, position: int, *, wait_s: float) -> None:
        """Ask for the rest of the same entity."""
        if position == 0 or self._validator is None:
            raise self._truncated(position, "and cannot resume")
        time.sleep(wait_s)
        self._response = self._get({"Range": f"bytes={position}-", "If-Range": self._validator})
        answer = _answer(self._response)
        if answer.continues(position, length=self.size_bytes, validator=self._validator):
            return
        elsewhere = self._truncated(position, "and did not resume where it stopped")
        raise elsewhere if answer.status == HTTPStatus.PARTIAL_CONTENT else self._refusal(answer) or elsewhere

    def _refusal(self, answer: Answer) -> Exception | None:
        now = datetime.now(UTC)
        expired = dies(self.url, expires_at=self.expires_at, now=now)
        return refusal(answer, host=_host(self.url), expired=expired, now=now)

    def _truncated(self, position: int, why: str) -> UnavailableError:
        whole = "an unknown number of" if self.size_bytes is None else str(self.size_bytes)
        return UnavailableError(
            Reason.TRUNCATED, f"the source {_host(self.url)} ended after {position} of {whole} bytes, {why}"
        )

    def _get(self, extra: dict[str, str]) -> httpcore.Response:
        url = self.url
        for _ in range(MAX_REDIRECTS + 1):
            self._judge(url)
            response = self._request(url, extra)
            answer = _answer(response)
            location = answer.headers.get("location")
            if answer.status not in REDIRECTS or location is None:
                return response
            url = urljoin(url, location)
        raise RefusedError(
            Reason.SOURCE_BLOCKED, f"the source {_host(self.url)} redirects more than {MAX_REDIRECTS} times"
        )

    def _judge(self, url: str) -> None:
        refused = self.policy.url_refusal(url)
        if refused is not None:
            whose = "source.url" if url == self.url else f"a redirect of {_host(self.url)}"
            raise RefusedError(Reason.SOURCE_BLOCKED, f"{whose} is not allowed: {refused}")

    def _request(self, url: str, extra: dict[str, str]) -> httpcore.Response:
        self._stack.close()
        parts = urlsplit(url)
        headers = list({"Host": _wire_host(parts.netloc), **_HEADERS, **self._secret(url), **extra}.items())
        try:
            wire, tls = _wire(url), self._tls() if parts.scheme == "https" else None
            pool = self.network.pool(wire.host.decode(), wire.port or DEFAULT_PORTS.get(parts.scheme, 80), tls=tls)
            told = {"trace": self._trace}
            response = self._stack.enter_context(
                self._stack.enter_context(pool).stream("GET", wire, headers=headers, extensions=told)
            )
        except _CUT as error:
            raise UnavailableError(Reason.SOURCE_UNAVAILABLE, _sentence(self._who(url), error)) from error
        except httpcore.ProxyError as error:
            # Its text is the status line of the answer to CONNECT.
            raise refusal_of_proxy(int(str(error)[:3]), self._who(url)) from error
        except (httpcore.UnsupportedProtocol, UnicodeError, ValueError) as error:
            raise RefusedError(Reason.SPEC_INVALID, "source.url is not a URL that can be asked for") from error
        if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self.network.via:
            raise refusal_of_proxy(response.status, self._who(url))
        return response

    def _trace(self, event: str, _info: object) -> None:
        if event.endswith("send_request_headers.complete"):
            self.asked()

    def _who(self, url: str) -> str:
        return f"the source {_host(url)}{self.network.via}"

    def _secret(self, url: str) -> dict[str, str]:
        return self.secret.of(url) if self.secret else {}

    def _tls(self) -> ssl.SSLContext:
        self.tls = self.tls or trusting_public_authorities()
        return self.tls


def trusting_public_authorities() -> ssl.SSLContext:
    """Return a TLS context with the system's authorities (or SSL_CERT_FILE's), certifi's where a system has none."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and not (paths.capath and any(Path(paths.capath).iterdir())):
        context.load_verify_locations(certifi.where())
    return context


def _answer(response: httpcore.Response) -> Answer:
    return Answer.of(response.status, response.headers)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"


def _wire_host(netloc: str) -> str:
    return netloc if netloc.isascii() else netloc.encode("idna").decode()


def _wire(url: str) -> httpcore.URL:
    """Return the URL in the only bytes that may go over the wire: ASCII, without the fragment."""
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("ascii" if url.isascii() else "idna")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~[]")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~?[]{}|^`\\\"<>")
    target = f"{path}?{query}" if parts.query else path
    return httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target)


def _sentence(who: str, error: Exception) -> str:
    """Return what happened, in words that cannot repeat the request."""
    if isinstance(error, httpcore.TimeoutException):
        return f"{who} did not answer in time"
    if isinstance(error, httpcore.ProtocolError):
        return f"{who} does not speak HTTP as it should"
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {who} is not trusted: {cause.verify_message}"
    why = cause.strerror if isinstance(cause, OSError) and cause.strerror else "the connection broke"
    return f"{who} cannot be reached: {why}"
