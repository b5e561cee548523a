"""Cookies go to the hosts that a browser would send them to."""

from __future__ import annotations

import pytest
from mediaimport_importer.source.cookies import MAX_COOKIE_BYTES, MAX_COOKIES, Cookies


def sent(cookie: str, *, by: str, to: str) -> str:
    cookies = Cookies()
    cookies.store(by, [(b"Set-Cookie", cookie.encode())])
    return cookies.header(to)


@pytest.mark.parametrize(
    ("cookie", "by", "to", "expected"),
    [
        ("a=1", "https://www.example.com/x", "https://www.example.com/y", "a=1"),
        ("a=1", "https://www.example.com/", "https://example.com/", ""),
        ("a=1", "https://example.com/", "https://www.example.com/", ""),
        ("a=1; Domain=example.com", "https://www.example.com/", "https://cdn.example.com/", "a=1"),
        ("a=1; Domain=.example.com", "https://www.example.com/", "https://cdn.example.com/", "a=1"),
        ("a=1; Domain=example.com", "https://www.example.com/", "https://badexample.com/", ""),
        ("a=1; Domain=example.com", "https://evil.org/", "https://example.com/", ""),
        ("a=1; Domain=com", "https://evil.com/", "https://example.com/", ""),
        ("a=1; Domain=co.uk", "https://evil.co.uk/", "https://example.co.uk/", ""),
        ("a=1; Domain=github.io", "https://evil.github.io/", "https://victim.github.io/", ""),
        ("a=1; Domain=s3.amazonaws.com", "https://evil.s3.amazonaws.com/", "https://victim.s3.amazonaws.com/", ""),
        ("a=1; Path=/media", "https://example.com/", "https://example.com/media/x", "a=1"),
        ("a=1; Path=/media", "https://example.com/media", "https://example.com/other", ""),
        ("a=1; Secure", "https://example.com/", "http://example.com/", ""),
        ("a=1; Max-Age=0", "https://example.com/", "https://example.com/", ""),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://example.com/", "https://example.com/", ""),
        ("a=1", "https://example.com:8443/", "https://example.com/", "a=1"),
    ],
)
def test_cookie_goes_where_a_browser_sends_it(cookie: str, by: str, to: str, expected: str) -> None:
    assert sent(cookie, by=by, to=to) == expected


def test_cookie_longer_than_a_browsers_is_not_kept() -> None:
    assert sent("a=" + "x" * MAX_COOKIE_BYTES, by="https://example.com/", to="https://example.com/") == ""


def test_number_of_cookies_is_bounded() -> None:
    cookies = Cookies()
    for number in range(MAX_COOKIES * 2):
        cookies.store("https://example.com/", [(b"set-cookie", f"c{number}=1".encode())])

    assert len(cookies.header("https://example.com/").split("; ")) == MAX_COOKIES
