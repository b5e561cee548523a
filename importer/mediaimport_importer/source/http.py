"""The http and https source: checked redirects, Range requests that resume a download, no content encoding."""

from __future__ import annotations

import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import httpcore
from mediaimport_api import __version__
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import DEFAULT_PORTS, SourcePolicy
from mediaimport_runtime.tls import default_tls_context

from mediaimport_importer.errors import AttemptError, RefusedError, UnavailableError
from mediaimport_importer.source.cookies import Cookies
from mediaimport_importer.source.headers import merged
from mediaimport_importer.source.proxy import refusal as refusal_of_proxy
from mediaimport_importer.source.response import REDIRECTS, ResponseHead, may_expire, refusal
from mediaimport_importer.source.url import ascii_url, redirected
from mediaimport_importer.source.visibility import may_appear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from mediaimport_importer.source.guard import Network
    from mediaimport_importer.source.headers import SecretHeaders

MAX_REDIRECTS = 10
MAX_RESUMES = 8
MAX_EMPTY_RESUMES = 3
RESUME_WAIT_S = 0.5
_BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)
_HEADERS = {
    "User-Agent": f"MediaImport/{__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


@dataclass
class HttpSource:
    """One GET and its whole body. Use as a context manager."""

    url: str
    policy: SourcePolicy
    network: Network
    expires_at: datetime | None = None
    tls: ssl.SSLContext | None = None
    secret: SecretHeaders | None = None
    on_request_sent: Callable[[], object] = lambda: None
    """Called when a request is sent, before its response is awaited."""
    visibility_waits_s: tuple[float, ...] = ()
    """Waits before a source that answers 404 or 403 is asked again."""
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self._cookies = Cookies()
        self.size_bytes: int | None = None
        self.delimited = False

    def __enter__(self) -> Self:
        """Send the request, follow redirects, check the response."""
        with ExitStack() as on_failure:
            on_failure.callback(self._stack.close)
            head = self._first_response()
            on_failure.pop_all()
        self.size_bytes, self._validator = head.entity_bytes, head.validator
        self.delimited = head.delimited or self.size_bytes is not None
        return self

    def _first_response(self) -> ResponseHead:
        """Return the head of a response whose body is the media; one that is not visible yet is asked again."""
        for wait_s in (*self.visibility_waits_s, None):
            self._response = self._get({})
            head = _parsed(self._response)
            refused = self._refusal(head)
            if refused is None:
                return head
            if wait_s is None or not may_appear(refused):
                raise refused
            self._stack.close()
            self.sleep(wait_s)
        raise AssertionError("the last wait ends the loop")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._stack.close()

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives; resume with a Range request after a break, Truncated if that is impossible."""
        position, resumes, empty = 0, 0, 0
        while True:
            begun_at = position
            broken: Exception | None = None
            try:
                for piece in self._response.iter_stream():
                    self.network.pace.begin_body()
                    position += len(piece)
                    yield piece
            except _BROKEN as error:
                broken = error
            if broken is None and self.size_bytes in {None, position}:
                return
            resumes, empty = resumes + 1, 0 if position > begun_at else empty + 1
            if resumes > MAX_RESUMES or empty > MAX_EMPTY_RESUMES:
                raise self._truncated(position, "and broke off too often")
            self._resume(position, wait_s=RESUME_WAIT_S * 2**empty)

    def _resume(self, position: int, *, wait_s: float) -> None:
        """Request the rest of the same entity: If-Range makes a changed one start anew, which is refused."""
        if position == 0 or self._validator is None:
            raise self._truncated(position, "and supports no resuming")
        self.sleep(wait_s)
        self._response = self._get({"Range": f"bytes={position}-", "If-Range": self._validator})
        head = _parsed(self._response)
        if head.continues(position, length=self.size_bytes, validator=self._validator):
            # The first response had no length: from here on the body must reach this one's total.
            self.size_bytes, self.delimited = head.total, head.total is not None
            return
        mismatch = self._truncated(position, "and did not resume where it stopped")
        raise mismatch if head.status == HTTPStatus.PARTIAL_CONTENT else self._refusal(head) or mismatch

    def _refusal(self, head: ResponseHead) -> AttemptError | None:
        now = datetime.now(UTC)
        expired = may_expire(self.url, expires_at=self.expires_at, now=now)
        return refusal(head, host=_host(self.url), expired=expired, now=now)

    def _truncated(self, position: int, why: str) -> UnavailableError:
        whole = "an unknown number of" if self.size_bytes is None else str(self.size_bytes)
        return UnavailableError(
            Reason.TRUNCATED, f"the source {_host(self.url)} ended after {position} of {whole} bytes, {why}"
        )

    def _get(self, extra: dict[str, str]) -> httpcore.Response:
        location, hosts = self.url, list[str]()
        for _ in range(MAX_REDIRECTS + 1):
            url = self._checked(location)
            hosts += [_host(url)] if _host(url) not in hosts[-1:] else []
            response = self._request(url, extra)
            self._cookies.store(url, response.headers)
            head = _parsed(response)
            to = head.headers.get("location")
            if head.status not in REDIRECTS or to is None:
                return response
            location = redirected(url, to)
        raise RefusedError(
            Reason.SOURCE_BLOCKED,
            f"the source {_host(self.url)} redirects more than {MAX_REDIRECTS} times, through {', '.join(hosts)};"
            " use the URL at the end of the redirects",
        )

    def _checked(self, url: str) -> str:
        """Return the URL in ASCII, as it is requested and as the policy has allowed it."""
        try:
            encoded: str | None = ascii_url(url)
        except ValueError:
            encoded = None
        refused = self.policy.url_refusal(encoded or url)
        if refused is not None:
            subject = "source.url" if url == self.url else f"a redirect of {_host(self.url)}"
            raise RefusedError(Reason.SOURCE_BLOCKED, f"{subject} is not allowed: {refused}")
        if encoded is None:
            raise _not_requestable()
        return encoded

    def _request(self, url: str, extra: dict[str, str]) -> httpcore.Response:
        self._stack.close()
        parts = urlsplit(url)
        headers = self._request_headers(url, extra)
        self.network.pace.begin_request()
        try:
            target, tls = _target(url), self._tls() if parts.scheme == "https" else None
            pool = self.network.pool(target.host.decode(), target.port or DEFAULT_PORTS.get(parts.scheme, 80), tls=tls)
            response = self._stack.enter_context(
                self._stack.enter_context(pool).stream(
                    "GET", target, headers=headers, extensions={"trace": self._trace}
                )
            )
        except _BROKEN as error:
            raise UnavailableError(Reason.SOURCE_UNAVAILABLE, _describe_error(self._name(url), error)) from error
        except httpcore.ProxyError as error:
            # Its text is the status line of the response to CONNECT.
            raise refusal_of_proxy(int(str(error)[:3]), self._name(url)) from error
        except (httpcore.UnsupportedProtocol, UnicodeError, ValueError) as error:
            raise _not_requestable() from error
        if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and self.network.via:
            raise refusal_of_proxy(response.status, self._name(url))
        return response

    def _trace(self, event: str, _info: object) -> None:
        if event.endswith("send_request_headers.complete"):
            self.on_request_sent()

    def _name(self, url: str) -> str:
        return f"the source {_host(url)}{self.network.via}"

    def _request_headers(self, url: str, extra: dict[str, str]) -> list[tuple[bytes, bytes]]:
        """Return the headers of a request: the Secret's for its own origin, the chain's cookies for their hosts."""
        secret = self.secret.for_url(url) if self.secret else {}
        headers = merged({"Host": urlsplit(url).netloc, **_HEADERS}, secret, extra)
        cookies = self._cookies.header(url)
        if cookies:
            name = next((each for each in headers if each.lower() == "cookie"), "Cookie")
            headers[name] = f"{headers[name]}; {cookies}" if name in headers else cookies
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    def _tls(self) -> ssl.SSLContext:
        self.tls = self.tls or default_tls_context()
        return self.tls


def _parsed(response: httpcore.Response) -> ResponseHead:
    return ResponseHead.of(response.status, response.headers)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"


def _target(url: str) -> httpcore.URL:
    """Return an ASCII URL as httpcore takes it."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return httpcore.URL(scheme=parts.scheme, host=(parts.hostname or "").encode(), port=parts.port, target=path)


def _not_requestable() -> RefusedError:
    return RefusedError(
        Reason.SPEC_INVALID,
        "source.url, or a redirect of it, is not a URL that can be requested; correct it in a new resource",
    )


def _describe_error(name: str, error: Exception) -> str:
    """Return a message about the error; the error's own text is left out because it may repeat the request."""
    if isinstance(error, httpcore.TimeoutException):
        return f"{name} did not answer in time"
    if isinstance(error, httpcore.ProtocolError):
        return f"{name} sent invalid HTTP"
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {name} is not trusted: {cause.verify_message}"
    why = cause.strerror if isinstance(cause, OSError) and cause.strerror else "the connection broke"
    return f"{name} cannot be reached: {why}"
