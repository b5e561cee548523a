"""Cookies of one chain of redirects: by the rules of a browser for hosts, kept in memory for one download only."""

from __future__ import annotations

from email.message import Message
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.request import Request

from publicsuffixlist import PublicSuffixList

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_COOKIES = 50
MAX_COOKIE_BYTES = 4096
"""Browsers keep no longer ones: https://www.rfc-editor.org/rfc/rfc6265#section-6.1."""


class _Policy(DefaultCookiePolicy):
    """The rules of http.cookiejar, and those that it lacks: public suffixes, Secure only over TLS, bounded sizes."""

    def __init__(self) -> None:
        super().__init__(rfc2965=False, strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain)
        self._suffixes: PublicSuffixList | None = None

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        """Tell whether a server may set the cookie."""
        size_bytes = len(cookie.name) + len(cookie.value or "")
        insecure = cookie.secure and request.type != "https"
        return not insecure and size_bytes <= MAX_COOKIE_BYTES and super().set_ok(cookie, request)

    def set_ok_domain(self, cookie: Cookie, request: Request) -> bool:
        """Tell whether the cookie may be for that domain: a public suffix such as github.io is nobody's own."""
        if cookie.domain_specified and self._is_public_suffix(cookie.domain.lstrip(".")):
            return False
        return bool(super().set_ok_domain(cookie, request))

    def _is_public_suffix(self, domain: str) -> bool:
        self._suffixes = self._suffixes or PublicSuffixList()
        return self._suffixes.is_public(domain)


class Cookies:
    """The cookies that the responses of one download have set."""

    def __init__(self) -> None:
        self._jar = CookieJar(_Policy())

    def store(self, url: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take the Set-Cookie headers of a response to that URL."""
        message = Message()
        for name, value in headers:
            if name.lower() == b"set-cookie":
                message["Set-Cookie"] = value.decode("latin-1")
        if len(message) and len(self._jar) < MAX_COOKIES:
            self._jar.extract_cookies(_Response(message), Request(url))  # type: ignore[arg-type] # noqa: S310 - nothing is opened

    def header(self, url: str) -> str:
        """Return the value of the Cookie header for a request to that URL, empty if no cookie is for it."""
        request = Request(url)  # noqa: S310 - nothing is opened
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie") or ""


class _Response:
    """A response as http.cookiejar reads it."""

    def __init__(self, message: Message) -> None:
        self._message = message

    def info(self) -> Message:
        return self._message
