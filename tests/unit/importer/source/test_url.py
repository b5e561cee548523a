"""Hosts and URLs as they are requested."""

from __future__ import annotations

import pytest
from mediaimport_importer.source.url import ascii_host, ascii_url


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("bücher.example:8443", "xn--bcher-kva.example:8443"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("☃.net", "xn--n3h.net"),
        ("_media.bücher.example", "_media.xn--bcher-kva.example"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        ("plain.example:80", "plain.example:80"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
    ],
)
def test_host_is_the_one_that_browsers_ask_for(host: str, expected: str) -> None:
    assert ascii_host(host) == expected


def test_joiner_without_its_context_names_no_host() -> None:
    with pytest.raises(UnicodeError):
        ascii_host("a\u200db.example")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://straße.example/a b?x=ä|b#part", "https://xn--strae-oqa.example/a%20b?x=%C3%A4|b"),
        ("https://host.example", "https://host.example/"),
        ("https://host.example/a%2Fb?X-Sig=a%2Fb+c&e=~1/2", "https://host.example/a%2Fb?X-Sig=a%2Fb+c&e=~1/2"),
    ],
)
def test_url_is_ascii_and_what_is_encoded_stays(url: str, expected: str) -> None:
    assert ascii_url(url) == expected == ascii_url(expected)
