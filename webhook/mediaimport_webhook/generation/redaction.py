"""Redaction of secrets that a model's input may hold: tokens, passwords, and the queries of presigned URLs. Pure."""

from __future__ import annotations

import re

REDACTED = "[redacted]"
_URL = re.compile(r"(https?://)(?:[^\s/?#@]{0,512}@)?([^\s?#]*)(?:[?#]\S*)?", re.IGNORECASE)
"""User info, query and fragment of a URL are what makes it a key to what it names."""
_TOKENS = re.compile(
    r"\b(?:bearer|basic) +[\w.~+/=-]{20,}"
    r"|\b(?:r8_|hf_|sk-|[sr]k_live_|[sr]k_test_|gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|AIza|ya29\.|whsec_)[\w.-]{16,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"
    r"|-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----.*",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {
        "apikey", "authorization", "bearer", "cookie", "cookies", "credential", "credentials", "headers", "passphrase",
        "passwd", "password", "secret", "secrets", "token",
    }
)  # fmt: skip
_KEYS = frozenset({"access", "account", "api", "auth", "encryption", "private", "secret", "session", "signing"})
"""Words that make a secret of a `key` behind them."""


def redacted(text: str) -> str:
    """Return the text without the tokens in it, and its URLs without user info, query and fragment."""
    return _TOKENS.sub(REDACTED, _URL.sub(r"\1\2", text))


def names_secret(key: str) -> bool:
    """Tell whether a field of that name holds a secret: `api_key`, `hfToken`, `headers`, but not `max_tokens`."""
    words = [each.lower() for each in _WORD.findall(key)]
    return bool(words) and (words[-1] in _SECRET_WORDS or (words[-1] == "key" and bool(_KEYS & set(words[-2:-1]))))
