from __future__ import annotations

import pytest
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_webhook.settings import Settings

LEAST = {"NAMESPACE": "media", "S3_BUCKET_NAME": "media"}


def test_least_environment_is_enough() -> None:
    settings = Settings.read(Environment(LEAST))
    assert (settings.port, settings.presign_seconds, settings.default_user_id) == (8080, 3600, "default")
    assert (settings.replicate_base_url, settings.auth_mode) == ("https://api.replicate.com", "tokens")
    assert (settings.cors_origins, settings.replicate_webhook_secrets) == ((), ())
    assert settings.input_provenance == "full"
    assert settings.large_callback_max_bytes == 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NAMESPACE", ""),
        ("S3_BUCKET_NAME", ""),
        ("PORT", "x"),
        ("PORT", "0"),
        ("DEFAULT_USER_ID", "No Way"),
        ("AUTH_MODE", "anonymous"),
        ("PROVENANCE_INPUT", "some"),
        ("PRESIGN_SECONDS", "4"),
        ("PRESIGN_SECONDS", "604801"),
        ("LARGE_CALLBACK_MAX_BYTES", "64 MiB"),
        ("LARGE_CALLBACK_MAX_BYTES", "5242879"),
        ("PUBLIC_BASE_URL", "media.test"),
        ("REPLICATE_BASE_URL", "ftp://x"),
        ("SOURCE_ALLOWED_NETWORKS", "x"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_bad_value_is_one_line_that_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(BadSettingError, match=name) as refusal:
        Settings.read(Environment(LEAST | {name: value}))
    assert "\n" not in str(refusal.value)


def test_secrets_stay_out_of_the_settings_text() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    variables = LEAST | {"REPLICATE_WEBHOOK_SECRETS": secret, "REPLICATE_API_TOKEN": "r8_x"}
    text = repr(Settings.read(Environment(variables)))
    assert secret not in text
    assert "r8_x" not in text


@pytest.mark.parametrize(("ingress", "idle_s"), [("NGINX", 75), ("AWS ALB", 60), ("Traefik", 90), ("Caddy", 120)])
def test_idle_connections_are_kept_for_longer_than_an_ingress_keeps_them(ingress: str, idle_s: int) -> None:
    assert Settings.read(Environment(LEAST)).keep_alive_seconds > idle_s, ingress
