from __future__ import annotations

import pytest
from botocore.config import Config
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.store_settings import StoreSettings

STORE = {"S3_BUCKET_NAME": "media"}


def test_an_empty_variable_counts_as_unset() -> None:
    assert Environment({"REGION": " "}).text("REGION", "here") == "here"


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({}, "S3_BUCKET_NAME is not set"),
        (STORE | {"S3_ACCESS_KEY_ID": "a"}, "S3_SECRET_ACCESS_KEY is not set"),
        (STORE | {"S3_SECRET_ACCESS_KEY": "s"}, "S3_ACCESS_KEY_ID is not set"),
        (STORE | {"S3_SESSION_TOKEN": "t"}, "S3_SESSION_TOKEN is set"),
        (STORE | {"S3_ADDRESSING_STYLE": "dns"}, "S3_ADDRESSING_STYLE is 'dns'"),
        (STORE | {"S3_CHECKSUMS": "maybe"}, "S3_CHECKSUMS is 'maybe'"),
    ],
)
def test_a_bad_store_setting_names_its_variable(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadSettingError, match=sentence) as caught:
        StoreSettings.read(Environment(variables))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SOURCE_ALLOWED_PORTS", "80,http"), ("SOURCE_ALLOWED_PORTS", "70000"), ("SOURCE_ALLOWED_NETWORKS", "10.0.0.1/8")],
)
def test_a_bad_source_setting_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(BadSettingError, match=name):
        Environment({name: value}).source_policy()


def test_a_number_below_its_least_is_refused() -> None:
    with pytest.raises(BadSettingError, match="N is 0; it must be at least 1"):
        Environment({"N": "0"}).integer("N", 5, least=1)


def test_a_store_never_shows_its_secret() -> None:
    store = StoreSettings.read(Environment(STORE | {"S3_ACCESS_KEY_ID": "a", "S3_SECRET_ACCESS_KEY": "hush"}))
    assert "hush" not in repr(store)
    assert store.client_arguments(Config)["aws_secret_access_key"] == "hush"


def test_session_token_reaches_the_client_and_is_never_shown() -> None:
    keys = {"S3_ACCESS_KEY_ID": "a", "S3_SECRET_ACCESS_KEY": "s", "S3_SESSION_TOKEN": "hush"}
    store = StoreSettings.read(Environment(STORE | keys))
    assert "hush" not in repr(store)
    assert store.client_arguments(Config)["aws_session_token"] == "hush"


def test_presigned_urls_get_the_name_that_browsers_see() -> None:
    store = StoreSettings.read(
        Environment(STORE | {"S3_ENDPOINT_URL": "https://in:9000", "S3_PUBLIC_ENDPOINT_URL": "https://out"})
    )
    assert store.client_arguments(Config)["endpoint_url"] == "https://in:9000"
    assert store.client_arguments(Config, public=True)["endpoint_url"] == "https://out"


@pytest.mark.parametrize(("checksums", "when"), [("true", "when_supported"), ("false", "when_required")])
def test_every_client_keeps_to_what_the_store_can(checksums: str, when: str) -> None:
    variables = STORE | {"S3_CHECKSUMS": checksums, "S3_ADDRESSING_STYLE": "path"}
    config = StoreSettings.read(Environment(variables)).client_arguments(Config, read_timeout=7)["config"]
    assert config.s3 == {"addressing_style": "path"}
    assert config.signature_version == "s3v4"
    assert (config.request_checksum_calculation, config.response_checksum_validation) == (when, when)
    assert config.read_timeout == 7
