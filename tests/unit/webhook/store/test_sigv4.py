from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from mediaimport_webhook.store.sigv4 import QuerySigner

LIFETIME_S = 3600
NAMES = {"response-content-disposition": "ResponseContentDisposition", "response-content-type": "ResponseContentType"}


@dataclass
class Keys:
    access_key: str = "AKIA/+="
    secret_key: str = "se/cr+et"
    token: str | None = None


def client(
    keys: Keys, *, endpoint: str | None, style: str = "auto", region: str = "eu-west-1", version: str = "s3v4"
) -> Any:  # noqa: ANN401 - boto3's
    addressing: Any = {"addressing_style": style}
    return boto3.client(
        "s3",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key,
        aws_session_token=keys.token,
        config=Config(signature_version=version, s3=addressing),
    )


def by_botocore(s3: Any, key: str, **parameters: str) -> str:  # noqa: ANN401 - boto3's
    given = {"Bucket": "bucket", "Key": key, **{NAMES[name]: each for name, each in parameters.items()}}
    url: str = s3.generate_presigned_url("get_object", given, ExpiresIn=LIFETIME_S)
    return url


@pytest.mark.parametrize("token", [None, "session/+=token"])
@pytest.mark.parametrize(
    ("endpoint", "style"),
    [
        (None, "auto"),
        (None, "path"),
        ("https://cdn.example.com", "virtual"),
        ("https://cdn.example.com:443", "path"),
        ("http://store.internal:9000", "path"),
        ("https://CDN.example.com:8443/base/", "path"),
        ("http://[::1]:9000", "path"),
    ],
)
@pytest.mark.parametrize(
    ("key", "parameters"),
    [
        ("media/alice/a/video.mp4", {}),
        ("media/a b+c~d/é😀%2F//x/'()*!&=?#.mp4", {}),
        ("media/alice/a/file.bin", {
            "response-content-disposition": "attachment; filename*=UTF-8''a%22%20y%3B%C3%A9.mp4",
            "response-content-type": "application/octet-stream",
        }),
    ],
)  # fmt: skip
def test_url_is_the_one_that_botocore_makes(
    endpoint: str | None, style: str, key: str, parameters: dict[str, str], token: str | None
) -> None:
    keys = Keys(token=token)
    s3 = client(keys, endpoint=endpoint, style=style)
    signer = QuerySigner.like(by_botocore(s3, "probe"), keys)
    assert signer is not None
    expected = by_botocore(s3, key, **parameters)
    query = parse_qs(urlsplit(expected).query)
    moment = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    made = signer.url(key, parameters, keys, moment, lifetime_s=LIFETIME_S)
    assert made.partition("?")[0] == expected.partition("?")[0]
    assert parse_qs(urlsplit(made).query) == query


def test_derived_key_follows_the_day_and_the_keys() -> None:
    keys, moment = Keys(), datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    signer = QuerySigner.like(by_botocore(client(keys, endpoint=None), "probe"), keys)
    assert signer is not None
    fresh = QuerySigner(signer.origin, signer.prefix, signer.host, signer.scope)
    signer.url("a", {}, keys, moment, lifetime_s=1)
    for other, then in ((keys, datetime(2026, 1, 2, tzinfo=UTC)), (Keys(secret_key="other"), moment)):
        assert signer.url("a", {}, other, then, lifetime_s=1) == fresh.url("a", {}, other, then, lifetime_s=1)


@pytest.mark.parametrize("wrong", ["version", "keys"])
def test_what_is_signed_otherwise_is_left_to_botocore(wrong: str) -> None:
    keys = Keys()
    s3 = client(keys, endpoint=None, version="s3" if wrong == "version" else "s3v4")
    assert QuerySigner.like(by_botocore(s3, "probe"), Keys(secret_key="x") if wrong == "keys" else keys) is None
