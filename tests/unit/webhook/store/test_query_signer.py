"""URLs of many objects, next to those of the SDK's client."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.credentials import DeferredRefreshableCredentials
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.store import StoreUnavailableError
from mediaimport_webhook.store.query_signer import QuerySigner
from mediaimport_webhook.store.requests import client_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

KEYS = {"S3_BUCKET_NAME": "my-bucket", "S3_ACCESS_KEY_ID": "AKIA", "S3_SECRET_ACCESS_KEY": "secret/+"}
HEADERS = {
    "response-content-type": "application/octet-stream",
    "response-content-disposition": "attachment; filename*=UTF-8''a%22%20b~é.mp4",
}
LIFETIME_S = 600
FIRST = datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)
"""The next second is of another day, and so has another signing key."""


def client(**changes: str) -> Any:  # noqa: ANN401 - boto3's
    return client_of(StoreSettings.read(Environment(KEYS | changes)))


def signer(own_client: Any) -> QuerySigner:  # noqa: ANN401 - boto3's
    return QuerySigner(own_client, bucket="my-bucket", lifetime_s=LIFETIME_S)


@pytest.mark.parametrize("answered_with", [{}, HEADERS], ids=["plain", "headers"])
@pytest.mark.parametrize("key", ["media/alice/größe +%~/asset.json", "media/a/b/video.mp4", "média//.././東京?#&="])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"S3_ENDPOINT_URL": "http://store.internal:9000/base", "S3_ADDRESSING_STYLE": "path"},
        {"S3_ENDPOINT_URL": "https://store.internal", "S3_ADDRESSING_STYLE": "virtual"},
        {"S3_ENDPOINT_URL": "https://store.internal:443", "S3_ADDRESSING_STYLE": "path"},
        {"S3_SESSION_TOKEN": "session+token/=="},
        {"S3_REGION": "eu-central-1"},
    ],
    ids=["AWS", "path", "virtual", "default port", "session token", "region"],
)
def test_url_and_signature_are_those_of_the_client(
    changes: dict[str, str], key: str, answered_with: dict[str, str]
) -> None:
    own_client = client(**changes)
    own_signer = signer(own_client)
    for now in (FIRST, FIRST, FIRST + timedelta(seconds=1)):
        with stopped_clock(now):
            ours = urlsplit(asyncio.run(own_signer.url(key, answered_with)))
            theirs = _of_client(own_client, key, answered_with)
        assert (ours.scheme, ours.netloc, ours.path) == (theirs.scheme, theirs.netloc, theirs.path)
        assert parse_qs(ours.query) == parse_qs(theirs.query)


@contextmanager
def stopped_clock(now: datetime) -> Iterator[None]:
    """Let both of botocore's implementations sign at that time: the client takes the one in C."""
    with (
        mock.patch("botocore.auth.get_current_datetime", return_value=now),
        mock.patch("botocore.crt.auth.get_current_datetime", return_value=now.replace(tzinfo=None)),
    ):
        yield


def _of_client(own_client: Any, key: str, answered_with: dict[str, str]) -> Any:  # noqa: ANN401 - boto3's
    """Return the URL of the SDK's client, in parts."""
    named = {
        "response-content-type": "ResponseContentType",
        "response-content-disposition": "ResponseContentDisposition",
    }
    more = {named[name]: value for name, value in answered_with.items()}
    parameters = {"Bucket": "my-bucket", "Key": key, **more}
    return urlsplit(own_client.generate_presigned_url("get_object", parameters, ExpiresIn=LIFETIME_S))


def test_credentials_that_are_renewed_sign_from_then_on() -> None:
    """They are fetched when they are first needed, and again when they are about to expire."""
    fetched: list[int] = []

    def fetch() -> dict[str, str]:
        fetched.append(1)
        end = datetime.now(UTC) + timedelta(minutes=1 if len(fetched) < 5 else 60)
        number = str(len(fetched))
        keys = {"access_key": f"AKIA{number}", "secret_key": "secret", "token": number}
        return {**keys, "expiry_time": end.isoformat()}

    own_client = client()
    own_client._request_signer._credentials = DeferredRefreshableCredentials(fetch, "test")

    async def scene() -> list[tuple[str, int]]:
        own_signer = signer(own_client)
        return [(await own_signer.url("media/a/b/video.mp4"), len(fetched)) for _ in range(6)]

    numbers = []
    for url, newest in asyncio.run(scene()):
        query = parse_qs(urlsplit(url).query)
        assert query["X-Amz-Security-Token"] == [str(newest)]
        assert query["X-Amz-Credential"][0].startswith(f"AKIA{newest}/")
        numbers.append(newest)
    assert numbers[0] < numbers[1] < numbers[-1] == numbers[-2] == len(fetched) == 5


def test_client_without_credentials_is_a_store_that_does_not_answer() -> None:
    own_client = client()
    own_client._request_signer._credentials = None
    with pytest.raises(StoreUnavailableError, match="NoCredentialsError"):
        asyncio.run(signer(own_client).url("a"))
