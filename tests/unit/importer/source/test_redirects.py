"""Chains of redirects as the web has them: their length, their cookies, the spelling of Location."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.spec import SecretRef, Source
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.source.guard import Pace
from mediaimport_importer.source.open import Access, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.source_server import Conversation, Sources

BODY = b"media" * 100


def fetched(url: str, sources: Sources, secret: Path | None = None) -> bytes:
    policy = SourcePolicy((ipaddress.ip_network("127.0.0.0/8"),), frozenset({sources.port}))
    source = Source(url=url, headers_secret_ref=SecretRef(name="to-source") if secret else None)
    with opened(source, Access(policy, Pace(time.monotonic() + 20), headers_directory=secret)) as media:
        return b"".join(media.pieces())


def refused(url: str, sources: Sources) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        fetched(url, sources)
    return caught.value


def answering(body: bytes = BODY) -> Callable[[Conversation], None]:
    return lambda conversation: conversation.answer(body)


def redirecting(to: str, cookie: str = "") -> Callable[[Conversation], None]:
    return lambda conversation: conversation.answer(status="302 Found", Location=to, Set_Cookie=cookie)


def chain(sources: Sources, length: int) -> str:
    """Return the URL of that many redirects, in turn on 127.0.0.1 and localhost, before the media."""
    url = sources.add(answering())
    for number in range(length):
        url = sources.add(redirecting(url))
        url = url.replace("127.0.0.1", "localhost") if number % 2 else url
    return url


def at(host: str, url: str) -> str:
    return url.replace("127.0.0.1", host)


@pytest.mark.parametrize("length", [4, 5, 10])
def test_chain_of_up_to_ten_redirects_is_followed(sources: Sources, length: int) -> None:
    assert fetched(chain(sources, length), sources) == BODY


def test_longer_chain_is_blocked_and_its_hosts_are_named(sources: Sources) -> None:
    error = refused(chain(sources, 11), sources)

    assert error.reason is Reason.SOURCE_BLOCKED
    assert "more than 10 times" in error.public_message
    assert "127.0.0.1, localhost, 127.0.0.1" in error.public_message
    assert "http://" not in error.public_message


# --- cookies ------------------------------------------------------------------------


def gate(to: str, cookie: str = "seen=1; Path=/") -> Callable[[Conversation], None]:
    """Return a script that gives a cookie away and wants it back."""

    def script(conversation: Conversation) -> None:
        if "seen=1" in (conversation.header("Cookie") or ""):
            conversation.answer(BODY)
        else:
            conversation.answer(
                status="302 Found", Location=to or conversation.request.split(" ")[1], Set_Cookie=cookie
            )

    return script


def test_redirect_to_itself_that_sets_a_cookie_is_followed(sources: Sources) -> None:
    assert fetched(sources.add(gate("")), sources) == BODY


def test_cookie_of_an_earlier_redirect_is_sent_to_the_same_host(sources: Sources) -> None:
    end = sources.add(gate("/nowhere"))
    away = at("localhost", sources.add(redirecting(end)))
    start = sources.add(redirecting(away, "seen=1; Path=/; HttpOnly; SameSite=Lax"))

    assert fetched(start, sources) == BODY


@pytest.mark.attack("a redirect that sets a cookie, then another host", "followed without the cookie")
def test_cookie_never_crosses_to_another_host(sources: Sources) -> None:
    end = at("localhost", sources.add(answering()))
    start = sources.add(redirecting(end, "session=hidden; Path=/"))

    assert fetched(start, sources) == BODY
    assert "hidden" not in sources.requests[-1]


@pytest.mark.attack("a cookie for another host, or for every host", "not kept")
@pytest.mark.parametrize("domain", ["localhost", "example.com", "com", ".", "1", "0.0.1"])
def test_cookie_for_another_host_is_not_kept(sources: Sources, domain: str) -> None:
    end = at("localhost", sources.add(answering()))
    start = sources.add(redirecting(end, f"session=hidden; Path=/; Domain={domain}"))

    assert fetched(start, sources) == BODY
    assert "hidden" not in sources.requests[-1]


def test_secure_cookie_is_not_kept_from_plain_http(sources: Sources) -> None:
    end = sources.add(answering())

    assert fetched(sources.add(redirecting(end, "seen=1; Path=/; Secure")), sources) == BODY
    assert "Cookie" not in sources.requests[-1]


def test_cookie_of_the_secret_is_sent_next_to_the_chains(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "host").write_text("127.0.0.1")
    (tmp_path / "cookie").write_text("token=secret")
    end = sources.add(answering())

    assert fetched(sources.add(redirecting(end, "seen=1; Path=/")), sources, tmp_path) == BODY
    assert [line for line in sources.requests[-1].split("\r\n") if line.lower().startswith("cookie")] == [
        "cookie: token=secret; seen=1"
    ]


def test_cookies_of_one_download_are_unknown_to_the_next(sources: Sources) -> None:
    url = sources.add(gate(""))

    assert fetched(url, sources) == fetched(url, sources) == BODY
    assert ["seen=1" in request for request in sources.requests[-4:]] == [False, True, False, True]


# --- the spelling of Location ---------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/media/café.png".encode(), "/media/caf%C3%A9.png"),
        ("/media/café.png".encode("latin-1"), "/media/caf%E9.png"),
        ("/media/日本語.png?q=é".encode(), "/media/%E6%97%A5%E6%9C%AC%E8%AA%9E.png"),
        (b"/media/caf%C3%A9.png", "/media/caf%C3%A9.png"),
        (b"/media/a b.png", "/media/a%20b.png"),
        (b"/media/plain.png#t=1", "/media/plain.png"),
    ],
)
def test_location_is_read_as_browsers_do(sources: Sources, location: bytes, path: str) -> None:
    sources.scripts[path] = answering()
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: "
    start = sources.add(lambda conversation: conversation.send(head + location + b"\r\n\r\n"))

    assert fetched(start, sources) == BODY


@pytest.mark.attack(
    "SSRF: a redirect to a private address in full-width digits or to a name that maps to one", "SourceBlocked"
)
@pytest.mark.parametrize("host", ["\uff11\uff10.0.0.1", "10。0。0。1", "①⓪.0.0.1"])
def test_host_that_maps_to_a_private_address_is_blocked(sources: Sources, host: str) -> None:
    head = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n"
    reply = f"{head}Location: http://{host}:{sources.port}/\r\n\r\n".encode()

    error = refused(sources.add(lambda conversation: conversation.send(reply)), sources)

    assert error.reason is Reason.SOURCE_BLOCKED
    assert "10.0.0.1" in error.public_message
