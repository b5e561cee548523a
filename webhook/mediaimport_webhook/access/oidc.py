"""JSON Web Tokens (JWT) of an OpenID Connect (OIDC) issuer."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from jwt.exceptions import ExpiredSignatureError, InvalidAudienceError, InvalidIssuerError, PyJWTError

from mediaimport_webhook.access import Caller, unauthorized
from mediaimport_webhook.access.discovery import document
from mediaimport_webhook.access.jwks import KeySet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx
    from jwt import PyJWK

    from mediaimport_webhook.settings import Oidc

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric algorithms only: with HS256 anybody could sign with the published key."""
_LEEWAY_S = 30
_REQUIRED = ("exp", "iss", "aud", "sub")


@dataclass(frozen=True)
class Issuer:
    """Authenticates callers by JWTs that the issuer signed for our audience."""

    settings: Oidc
    key_set: KeySet

    @classmethod
    def of(cls, settings: Oidc, http: httpx.AsyncClient) -> Issuer:
        """Return the issuer that the settings name."""

        async def locate() -> str:
            if settings.jwks_url is not None:
                return settings.jwks_url
            return str((await document(http, settings.issuer, timeout_s=5.0)).get("jwks_uri", ""))

        return cls(settings, KeySet(http, locate, publisher="the token's issuer"))

    async def caller(self, token: str) -> Caller:
        """Return the caller of a token; a 401 Problem if it is not valid here, 503 if no key is available."""
        try:
            claims = self._claims(token, await self._key(token))
            user_id = user_of(self.settings.issuer, claims["sub"])
        except ExpiredSignatureError:
            raise unauthorized("The token has expired; get a new one.") from None
        except (InvalidAudienceError, InvalidIssuerError):
            raise unauthorized("The token is another issuer's, or for another audience.") from None
        except (PyJWTError, UnicodeEncodeError):
            raise unauthorized("The token is not valid here.") from None
        return Caller(user_id, admin=self._is_admin(claims))

    async def _key(self, token: str) -> PyJWK:
        """Return the key that the token names, after a refresh if it is not known yet: keys rotate."""
        key_id = jwt.get_unverified_header(token).get("kid")
        found = _key_of(await self.key_set.keys(), key_id)
        if found is None and await self.key_set.refresh():
            found = _key_of(await self.key_set.keys(), key_id)
        if found is None:
            raise PyJWTError
        return found

    def _claims(self, token: str, key: PyJWK) -> dict[str, Any]:
        return jwt.decode(
            token,
            key=key,
            algorithms=_ALGORITHMS,
            audience=self.settings.audience,
            issuer=self.settings.issuer,
            leeway=_LEEWAY_S,
            options={"require": list(_REQUIRED)},
        )

    def _is_admin(self, claims: dict[str, Any]) -> bool:
        groups = claims.get(self.settings.groups_claim)
        return (
            self.settings.admin_group is not None and isinstance(groups, list) and self.settings.admin_group in groups
        )


def user_of(issuer: str, subject: str) -> str:
    """Return the user's id for a `sub`, hashed: a `sub` is any text, an id is part of labels and of S3 keys.

    A `sub` is unique within its issuer only, so the issuer is hashed, too.
    """
    digest = hashlib.sha256(f"{issuer}\n{subject}".encode()).digest()[:20]
    return f"u-{base64.b32encode(digest).decode().lower()}"


def _key_of(keys: Sequence[PyJWK], key_id: str | None) -> PyJWK | None:
    """Return the signing key of that id; without an id the only key."""
    usable = [each for each in keys if each.public_key_use != "enc" and key_id in {None, each.key_id}]
    return usable[0] if len(usable) == 1 or (usable and key_id is not None) else None
