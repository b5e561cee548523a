from __future__ import annotations

from typing import Any

import pytest
from mediaimport_operator.settings.session import SessionSettings
from mediaimport_runtime.environment import BadSettingError, Environment

ROLE = "arn:aws:iam::111122223333:role/media/importer"


def read(deadline_s: int = 1800, **variables: str) -> SessionSettings | None:
    return SessionSettings.read(Environment({"S3_BUCKET_NAME": "bucket"} | variables), deadline_s=deadline_s)


def session(**variables: str) -> SessionSettings:
    given: dict[str, Any] = {"S3_SESSION_ROLE": ROLE, **variables}
    found = read(**given)
    assert found is not None
    return found


def test_without_a_role_there_are_no_sessions() -> None:
    assert read() is None


@pytest.mark.parametrize(
    "role", ["importer", "arn:aws:iam::1:user/ada", "arn:aws:iam::1:role/a\nb", "arn:aws:sts::1:role/a"]
)
def test_role_that_is_no_arn_of_a_role_ends_the_start(role: str) -> None:
    with pytest.raises(BadSettingError, match=r"^S3_SESSION_ROLE is .*arn:aws:iam::ACCOUNT:role/NAME$"):
        read(S3_SESSION_ROLE=role)


def test_default_deadline_that_no_session_outlives_ends_the_start() -> None:
    assert read(42_900, S3_SESSION_ROLE=ROLE) is not None
    with pytest.raises(BadSettingError, match=r"DEADLINE_SECONDS is 42901; .* at most 42900"):
        read(42_901, S3_SESSION_ROLE=ROLE)


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, None),
        ({"S3_ENDPOINT_URL": "https://store.example"}, "https://store.example"),
        (
            {"S3_ENDPOINT_URL": "https://store.example", "S3_STS_ENDPOINT_URL": "https://sts.example"},
            "https://sts.example",
        ),
        ({"S3_STS_ENDPOINT_URL": "https://vpce.example"}, "https://vpce.example"),
    ],
)
def test_sts_is_where_the_store_is_unless_it_has_an_endpoint_of_its_own(
    variables: dict[str, str], endpoint: str | None
) -> None:
    assert session(**variables).client_arguments(dict)["endpoint_url"] == endpoint


@pytest.mark.parametrize(
    ("role", "partition"),
    [("arn:aws-cn:iam::1:role/a", "aws-cn"), ("arn:aws:iam::1:role/a", "aws"), ("arn:minio:iam:::role/a", "aws")],
)
def test_partition_of_the_bucket_is_the_roles(role: str, partition: str) -> None:
    found = read(S3_SESSION_ROLE=role)
    assert found is not None
    assert found.partition == partition


def test_neither_keys_nor_token_are_in_the_repr() -> None:
    keys = {"S3_ACCESS_KEY_ID": "AKIA", "S3_SECRET_ACCESS_KEY": "s3cr3t", "S3_SESSION_TOKEN": "t0k3n"}
    shown = repr(session(**keys))
    assert "s3cr3t" not in shown
    assert "t0k3n" not in shown
