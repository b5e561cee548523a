"""URLs of many objects, next to those of the SDK's client."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings
from mediaimport_webhook.store.bulk_signer import BulkSigner
from mediaimport_webhook.store.requests import StoreRequests

KEY = "media/alice/größe +%~/asset.json"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"S3_ENDPOINT_URL": "http://store.internal:9000/base", "S3_ADDRESSING_STYLE": "path"},
        {"S3_ENDPOINT_URL": "https://store.internal", "S3_ADDRESSING_STYLE": "virtual"},
        {"S3_SESSION_TOKEN": "session+token"},
        {"S3_REGION": "eu-central-1"},
    ],
)
def test_url_is_that_of_the_client(changes: dict[str, str]) -> None:
    keys = {"S3_BUCKET_NAME": "my-bucket", "S3_ACCESS_KEY_ID": "AKIA", "S3_SECRET_ACCESS_KEY": "secret"}
    settings = StoreSettings.read(Environment(keys | changes))
    ours = urlsplit(asyncio.run(BulkSigner(settings).url(KEY)))
    theirs = urlsplit(asyncio.run(StoreRequests(settings).signed("get_object", KEY, {})))
    assert (ours.netloc, ours.path) == (theirs.netloc, theirs.path)
    assert _lasting(ours.query) == _lasting(theirs.query)


def _lasting(query: str) -> dict[str, list[str]]:
    """Return the parameters without those that change by the second. A real server checks the signature elsewhere."""
    return {name: each for name, each in parse_qs(query).items() if name not in {"X-Amz-Date", "X-Amz-Signature"}}
