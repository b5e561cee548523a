from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.sidecar import Owner, Sidecar, Tombstone
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.sidecars import MAX_SIDECAR_BYTES, Sidecars, open_fetch

from tests.support.loopback.threads import running
from tests.support.webhook import ASSET_ID, sidecar_of

if TYPE_CHECKING:
    from pathlib import Path

KEYS = AssetKeys("alice", ASSET_ID)


def settings(**changes: str) -> StoreSettings:
    variables = {
        "S3_BUCKET_NAME": "bucket",
        "S3_ACCESS_KEY_ID": "AKIA",
        "S3_SECRET_ACCESS_KEY": "secret",
        "S3_ENDPOINT_URL": "http://store.internal:9000",
        "S3_PUBLIC_ENDPOINT_URL": "https://cdn.example.com",
        "S3_ADDRESSING_STYLE": "path",
    }
    return StoreSettings.read(Environment(variables | changes))


Answer = tuple[int, bytes]


def read(answer: Answer) -> Sidecar | Tombstone | None:
    """Read the sidecar of KEYS from a store that answers so."""

    async def fetch(url: str) -> Answer:
        parts = urlsplit(url)
        assert (parts.hostname, parts.path) == ("store.internal", f"/bucket/{KEYS.sidecar}")
        assert "X-Amz-Signature" in parse_qs(parts.query)
        return answer

    return asyncio.run(Sidecars(settings(), fetch).read(KEYS))


def refusal(status: int, code: str) -> Answer:
    return status, f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()


def test_tombstone_is_read_as_one() -> None:
    owner = Owner(namespace="n", name="m", uid="u")
    tombstone = Tombstone(owner=owner, source_fingerprint="0" * 64, deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    body = tombstone.model_dump_json(by_alias=True)
    assert read((200, body.encode())) == tombstone


def test_sidecar_of_another_asset_of_the_user_is_none() -> None:
    sidecar = sidecar_of("alice")
    other = sidecar.model_copy(update={"asset": sidecar.asset.model_copy(update={"id": UUID(int=7)})})
    assert read((200, other.model_dump_json(by_alias=True).encode())) is None


@pytest.mark.parametrize(("user", "found"), [("alice", True), ("bob", False)])
def test_sidecar_of_another_users_asset_is_none(user: str, found: bool) -> None:  # noqa: FBT001 - a parameter
    sidecar = sidecar_of(user)
    assert str(sidecar.asset.id) == KEYS.asset_id
    assert (read((200, sidecar.model_dump_json(by_alias=True).encode())) == sidecar) is found


@pytest.mark.parametrize("answer", [refusal(404, "NoSuchKey"), refusal(403, "AccessDenied"), (200, b"{}")])
def test_what_is_not_there_or_no_sidecar_is_none(answer: Answer) -> None:
    assert read(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        refusal(403, "RequestTimeTooSkewed"),
        refusal(404, "NoSuchBucket"),
        refusal(503, "SlowDown"),
        (502, b""),
        (200, b" " * (MAX_SIDECAR_BYTES + 1)),
    ],
)
def test_store_that_does_not_say_is_unavailable(answer: Answer) -> None:
    with pytest.raises(StoreUnavailableError):
        read(answer)


def test_store_that_cannot_be_reached_is_unavailable() -> None:
    async def look() -> None:
        nowhere = settings(S3_ENDPOINT_URL="http://127.0.0.1:9")
        async with open_fetch(nowhere) as fetch:
            await Sidecars(nowhere, fetch).read(KEYS)

    with pytest.raises(StoreUnavailableError):
        asyncio.run(look())


class _Proxy(BaseHTTPRequestHandler):
    """A proxy that answers itself, with the URL that it was asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{self.path} {self.headers.get('Authorization')}".encode())

    def log_message(self, *_: object) -> None:
        pass


def test_requests_go_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A .netrc has no say: a second Authorization next to a presigned URL is refused by S3."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine store.internal login somebody password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    with running(HTTPServer(("127.0.0.1", 0), _Proxy)) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "other.internal")

        async def scene() -> tuple[int, bytes]:
            async with open_fetch(settings()) as fetch:
                with pytest.raises(StoreUnavailableError):
                    await fetch("http://other.internal:1/")
                return await fetch("http://store.internal:9000/bucket/a%2Fb?X=1")

        assert asyncio.run(scene()) == (200, b"http://store.internal:9000/bucket/a%2Fb?X=1 None")
