"""Headers out of a Secret reach the host that they are for, and no other."""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.spec import SecretRef, Source
from mediaimport_importer.errors import RefusedError
from mediaimport_importer.source import headers
from mediaimport_importer.source.guard import Pace
from mediaimport_importer.source.open import Access, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources

TOKEN = "Bearer hidden-token"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A Secret for 127.0.0.1, mounted as Kubernetes does it."""
    folder = tmp_path / "headers"
    (folder / "..data").mkdir(parents=True)
    (folder / "..data" / "host").write_text("127.0.0.1\n")
    (folder / "..data" / "Authorization").write_text(TOKEN + "\n")
    for name in ("host", "Authorization"):
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def fetched(url: str, secret: Path, *, ports: set[int]) -> bytes:
    policy = SourcePolicy((ipaddress.ip_network("127.0.0.0/8"),), frozenset(ports))
    source = Source(url=url, headers_secret_ref=SecretRef(name="to-source"))
    with opened(source, Access(policy, Pace(time.monotonic() + 20), headers_directory=secret)) as media:
        return b"".join(media.pieces())


def guarded(conversation: Conversation) -> None:
    """Answer whoever has the token."""
    allowed = conversation.header("Authorization") == TOKEN
    conversation.answer(b"media" if allowed else b"", status="200 OK" if allowed else "401 Unauthorized")


def test_headers_go_to_the_host_that_they_are_for(sources: Sources, secret: Path) -> None:
    assert fetched(sources.add(guarded), secret, ports={sources.port}) == b"media"


def test_headers_go_along_with_a_redirect_on_the_same_host(sources: Sources, secret: Path) -> None:
    end = sources.add(guarded)
    start = sources.add(lambda conversation: conversation.answer(status="302 Found", Location=end))

    assert fetched(start, secret, ports={sources.port}) == b"media"


@pytest.mark.attack("a redirect to another host, with secret headers", "followed without them")
def test_headers_never_cross_a_redirect_to_another_host(sources: Sources, secret: Path) -> None:
    end = sources.add(lambda conversation: conversation.answer(b"public")).replace("127.0.0.1", "localhost")
    start = sources.add(lambda conversation: conversation.answer(status="302 Found", Location=end))

    assert fetched(start, secret, ports={sources.port}) == b"public"
    first, second = sources.requests[-2:]
    assert TOKEN in first
    assert "hidden" not in second


@pytest.mark.attack(
    "a redirect to another port, another scheme or a similar name, with secret headers", "followed without them"
)
def test_headers_never_cross_a_redirect_to_another_port_or_scheme() -> None:
    secret = headers.SecretHeaders(("https", "example.com", 443), {"Authorization": TOKEN})

    assert secret.for_url("https://example.com/other?path") == {"Authorization": TOKEN}
    assert secret.for_url("https://EXAMPLE.com:443/") == {"Authorization": TOKEN}
    for url in ("http://example.com/", "https://example.com:8443/", "https://example.com.evil.org/",
                "https://sub.example.com/", "https://example.com@evil.org/"):  # fmt: skip
        assert secret.for_url(url) == {}, url


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({}, "no key `host`"),
        ({"Authorization": "x"}, "no key `host`"),
        ({"host": "other.example", "Authorization": "x"}, "other.example"),
        ({"host": "127.0.0.1", "Authorization": "x\r\nX-Other: y"}, "Authorization"),
        ({"host": "127.0.0.1", "Range": "bytes=0-1"}, "Range"),
        ({"host": "127.0.0.1", "Transfer-Encoding": "chunked"}, "Transfer-Encoding"),
        ({"host": "127.0.0.1", "X": "y" * 20_000}, "more than"),
    ],
)
@pytest.mark.attack("another host's Secret; header values with line breaks", "SpecInvalid; nothing is sent")
def test_secret_for_another_host_or_with_invalid_headers_is_refused(
    tmp_path: Path, keys: dict[str, str], word: str
) -> None:
    for name, value in keys.items():
        (tmp_path / name).write_text(value)

    with pytest.raises(RefusedError) as caught:
        headers.read(tmp_path, "http://127.0.0.1:8080/video.mp4")

    assert caught.value.reason is Reason.SPEC_INVALID
    assert word in caught.value.public_message


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_secret_headers_replace_the_importers_own_in_any_case(
    sources: Sources, tmp_path: Path, case: Callable[[str], str]
) -> None:
    for name, value in {"host": "127.0.0.1", "user-agent": "Mozilla/5.0 (a browser)", "accept": "image/png"}.items():
        (tmp_path / case(name)).write_text(value)

    fetched(sources.add(lambda conversation: conversation.answer(b"media")), tmp_path, ports={sources.port})

    lines = sources.requests[-1].split("\r\n")
    assert [each for each in lines if each.lower().startswith("user-agent")] == [
        f"{case('user-agent')}: Mozilla/5.0 (a browser)"
    ]
    assert [each for each in lines if each.lower().startswith("accept:")] == [f"{case('accept')}: image/png"]
    assert [each for each in lines if each.lower().startswith("host")] == [f"Host: 127.0.0.1:{sources.port}"]


def test_secret_for_a_host_with_umlauts_is_known_by_either_spelling(tmp_path: Path) -> None:
    (tmp_path / "Authorization").write_text(TOKEN)
    for named in ("bücher.example", "xn--bcher-kva.example"):
        (tmp_path / "host").write_bytes(named.encode())
        secret = headers.read(tmp_path, "https://bücher.example/video.mp4")
        assert secret.for_url("https://xn--bcher-kva.example/video.mp4") == {"Authorization": TOKEN}


def test_secret_that_is_not_mounted_is_the_specs_fault() -> None:
    with pytest.raises(RefusedError) as caught:
        headers.read(None, "http://127.0.0.1/video.mp4")

    assert "does not exist" in caught.value.public_message


def test_import_behind_a_token_tells_nobody_of_it(
    imports: Imports, sources: Sources, studio: Studio, secret: Path
) -> None:
    body = studio.video().read_bytes()

    def script(conversation: Conversation) -> None:
        allowed = conversation.header("Authorization") == TOKEN
        conversation.answer(body) if allowed else conversation.answer(status="401 Unauthorized")

    url = sources.add(script)
    task = imports.task(url, source={"url": url, "headersSecretRef": {"name": "to-source"}})

    result = imports.run(task, SOURCE_HEADERS_DIRECTORY=str(secret))
    without = imports.of(sources.add(script))

    assert result.reason is Reason.IMPORTED, result
    assert without.reason is Reason.SOURCE_UNAUTHORIZED
    client = imports.store.client()
    stored = client.get_object(Bucket="media", Key=f"media/default/{task.asset_id}/asset.json")["Body"].read()
    assert b"hidden-token" not in result.encode() + stored + imports.log.getvalue().encode()
