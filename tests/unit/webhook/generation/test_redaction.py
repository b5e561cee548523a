from __future__ import annotations

import pytest
from mediaimport_webhook.generation.redaction import REDACTED, names_secret, redacted

LETTERS = "a1B2c3D4e5F6g7H8i9J0"


@pytest.mark.parametrize(
    "token",
    [
        f"r8_{LETTERS}",
        f"hf_{LETTERS}",
        f"sk-proj-{LETTERS}",
        f"ghp_{LETTERS}",
        f"github_pat_{LETTERS}",
        f"AKIA{LETTERS[:16].upper()}",
        f"Bearer {LETTERS}{LETTERS}",
        f"Basic {LETTERS}==",
        f"eyJ{LETTERS}.eyJ{LETTERS}.{LETTERS}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{LETTERS}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_token_in_a_text_is_redacted(token: str) -> None:
    assert redacted(f"with {token}") == f"with {REDACTED}"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://a.test/x.png?X-Amz-Signature=0f", "https://a.test/x.png"),
        ("see https://a.test/x.png#t=1, then", "see https://a.test/x.png then"),
        ("HTTPS://user:pass@a.test:444/x", "HTTPS://a.test:444/x"),
        ("https://a.test?sig=1\nhttps://b.test/y?sig=2", "https://a.test\nhttps://b.test/y"),
        ("https://a.test/@handle", "https://a.test/@handle"),
    ],
)
def test_url_loses_what_makes_it_a_key(text: str, kept: str) -> None:
    assert redacted(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "a bearer of good news",
        "Basic photography of a token",
        "a task-force of 20 robots",
        "AKIA",
        "mail me@a.test?",
        "",
    ],
)
def test_prose_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "token", "hf_token", "hfToken", "HF_TOKEN", "api_key", "apiKey", "X-API-Key", "apikey", "Authorization",
        "headers", "request headers", "password", "db_passwd", "client-secret",
        "aws_secret_access_key", "privateKey", "cookie",
    ],
)  # fmt: skip
def test_name_of_a_secret_is_known(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokens", "token_string", "prompt", "key", "keyframe", "musical_key", "header", "author", "", "é"],
)
def test_name_of_a_model_s_field_is_no_secret(name: str) -> None:
    assert not names_secret(name)
