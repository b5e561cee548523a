"""Objects that wait for their import, in real stores."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.generation.inline import InlineFile
from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.incoming import Incoming

from tests.support.loopback.certificate import Certificate
from tests.support.loopback.processes import free_port
from tests.support.loopback.seaweed import running_seaweed
from tests.support.loopback.store import BUCKET, Store, running_store, versitygw
from tests.support.loopback.store_proxy import proxied, xml_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mediaimport_webhook.store import SignedUpload

KEY = "incoming/alice/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"
BYTES = os.urandom(700_001)
SHA256 = hashlib.sha256(BYTES).hexdigest()
FILE = InlineFile.of("data:;base64," + base64.b64encode(BYTES).decode())


@pytest.fixture(scope="module", params=["versitygw", "versitygw (plain)", "SeaweedFS"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    certificate = None if "plain" in request.param else Certificate.make(tmp_path_factory.mktemp("tls"))
    if request.param == "SeaweedFS":
        with running_seaweed(folder, certificate=certificate) as running:
            yield running
    else:
        with running_store(folder, program=versitygw(), certificate=certificate) as running:
            yield running


def incoming(store: Store, changes: dict[str, str] | None = None, *, port: int | None = None) -> Incoming:
    return Incoming(StoreSettings.read(Environment(store.variables(port=port) | (changes or {}))))


def stored(store: Store) -> dict[str, Any]:
    answer = store.client().get_object(Bucket=BUCKET, Key=KEY)
    return {"body": answer["Body"].read(), "type": answer["ContentType"]}


@pytest.mark.parametrize("changes", [{}, {"S3_CHECKSUMS": "false"}])
def test_object_is_stored_and_overwritten(store: Store, changes: dict[str, str]) -> None:
    store.client().put_object(Bucket=BUCKET, Key=KEY, Body=b"earlier")
    asyncio.run(incoming(store, changes).put(KEY, FILE))
    assert stored(store) == {"body": BYTES, "type": "application/octet-stream"}


def test_bytes_that_change_on_the_way_are_not_stored(store: Store) -> None:
    store.client().put_object(Bucket=BUCKET, Key=KEY, Body=b"earlier")
    changed = InlineFile(FILE.uri, FILE.size_bytes, hashlib.sha256(b"other").hexdigest())
    with pytest.raises(StoreUnavailableError):
        asyncio.run(incoming(store).put(KEY, changed))
    assert stored(store)["body"] == b"earlier"


def test_refused_write_names_the_permission(store: Store) -> None:
    with proxied(store) as proxy:
        proxy.denies = lambda request: request.method == "PUT"
        with pytest.raises(StoreUnavailableError, match=r"403 AccessDenied; .* needs s3:PutObject on incoming/\*"):
            asyncio.run(incoming(store, port=proxy.port).put(KEY, FILE))


def test_store_that_does_not_answer_is_unavailable(store: Store) -> None:
    with pytest.raises(StoreUnavailableError):
        asyncio.run(incoming(store, port=free_port()).put(KEY, FILE))


def send(store: Store, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send a body as the client of a caller does; return the status."""
    trust = ssl.create_default_context(cafile=store.certificate.authority) if store.certificate else True
    return httpx.put(url, content=body, headers=headers, verify=trust, timeout=20).status_code


def signed_upload(
    store: Store, changes: dict[str, str] | None = None, *, size_bytes: int = len(BYTES), sha256: str | None = SHA256
) -> SignedUpload:
    """Return a presigned PUT, with nothing stored under its key."""
    store.client().delete_object(Bucket=BUCKET, Key=KEY)
    work = incoming(store, changes).sign_upload(KEY, content_type="video/mp4", size_bytes=size_bytes, sha256=sha256)
    return asyncio.run(work)


def is_stored(store: Store) -> bool | None:
    return asyncio.run(incoming(store).exists(KEY))


@pytest.mark.parametrize("changes", [{}, {"S3_CHECKSUMS": "false"}])
@pytest.mark.parametrize("sha256", [SHA256, None], ids=["checksum", "no-checksum"])
def test_upload_is_stored_by_its_presigned_url(store: Store, changes: dict[str, str], sha256: str | None) -> None:
    signed = signed_upload(store, changes, sha256=sha256)
    assert is_stored(store) is False
    assert send(store, signed.url.url, BYTES, signed.headers) == 200
    assert stored(store) == {"body": BYTES, "type": "video/mp4"}
    assert is_stored(store) is True


@pytest.mark.parametrize("body", [BYTES + b"x", BYTES[:-1], b""])
def test_upload_of_another_size_is_refused_by_the_store(store: Store, body: bytes) -> None:
    signed = signed_upload(store, sha256=None)
    assert send(store, signed.url.url, body, signed.headers) in range(400, 500)
    assert is_stored(store) is False


def test_upload_of_another_type_is_refused_by_the_store(store: Store) -> None:
    signed = signed_upload(store)
    assert send(store, signed.url.url, BYTES, {**signed.headers, "Content-Type": "text/html"}) == 403
    assert is_stored(store) is False


def test_upload_of_other_bytes_is_refused_by_the_store(store: Store) -> None:
    signed = signed_upload(store)
    assert send(store, signed.url.url, BYTES[::-1], signed.headers) == 400
    assert is_stored(store) is False


def test_upload_without_or_with_another_checksum_than_the_signed_one_is_refused(store: Store) -> None:
    signed = signed_upload(store)
    other = base64.b64encode(hashlib.sha256(BYTES[::-1]).digest()).decode()
    for headers in ({"Content-Type": "video/mp4"}, {**signed.headers, "x-amz-checksum-sha256": other}):
        assert send(store, signed.url.url, BYTES[::-1], headers) in range(400, 500)
    assert is_stored(store) is False


def test_presigned_url_of_an_upload_is_for_its_key_alone(store: Store) -> None:
    signed = signed_upload(store)
    for other in ("media/alice/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54/video.mp4", KEY.replace("alice", "bob")):
        assert send(store, signed.url.url.replace(KEY, other), BYTES, signed.headers) == 403


def test_upload_is_signed_for_the_public_endpoint_until_it_says(store: Store) -> None:
    variables = store.variables() | {"S3_PUBLIC_ENDPOINT_URL": "https://cdn.example.com", "S3_SSE": "AES256"}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    settings = StoreSettings.read(Environment(variables))
    work = Incoming(settings, upload_lifetime_s=900, clock=lambda: now).sign_upload(
        KEY, content_type="video/mp4", size_bytes=5, sha256=SHA256
    )
    signed = asyncio.run(work)
    query = parse_qs(urlsplit(signed.url.url).query)
    assert signed.url.url.startswith(f"https://cdn.example.com/{BUCKET}/{KEY}?")
    assert (query["X-Amz-Expires"], signed.url.expires_at) == (["900"], now + timedelta(minutes=15))
    assert {name.lower(): value for name, value in signed.headers.items()} == {
        "content-type": "video/mp4",
        "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(SHA256)).decode(),
        "x-amz-server-side-encryption": "AES256",
    }
    # A browser sends length and host by itself.
    assert {*query["X-Amz-SignedHeaders"][0].split(";")} == {*map(str.lower, signed.headers), "content-length", "host"}


def test_store_that_may_not_tell_is_not_believed_to_lack_the_object(store: Store) -> None:
    with proxied(store) as proxy:
        proxy.denies = lambda request: request.method == "HEAD"
        assert asyncio.run(incoming(store, port=proxy.port).exists(KEY)) is None


def test_store_that_fails_tells_nothing_about_an_object(store: Store) -> None:
    with proxied(store) as proxy:
        proxy.refuses = lambda request: xml_error(request, "500 Internal Server Error", "InternalError")
        with pytest.raises(StoreUnavailableError):
            asyncio.run(incoming(store, port=proxy.port).exists(KEY))
    with pytest.raises(StoreUnavailableError):
        asyncio.run(incoming(store, port=free_port()).exists(KEY))
