"""Sign-in of the page's users at the OpenID Connect issuer: what the page has to know, and may connect to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mediaimport_webhook.access.discovery import Discovery
from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    import httpx

    from mediaimport_webhook.settings import Oidc


@dataclass(frozen=True)
class SignIn:
    """The issuer's public client that the page is."""

    settings: Oidc
    client_id: str
    discovery: Discovery

    @classmethod
    def of(cls, settings: Oidc | None, http: httpx.AsyncClient) -> SignIn | None:
        """Return the sign-in; None where no client is configured."""
        if settings is None or settings.client_id is None:
            return None
        return cls(settings, settings.client_id, Discovery(http, settings.issuer))

    async def config(self) -> dict[str, Any]:
        """Return what the page needs, all of it public; a 503 Problem while the issuer does not answer.

        `token` is the kind that the API accepts: an ID token is for the client, an access token for another audience.
        """
        endpoints = await self.discovery.endpoints()
        if endpoints is None:
            raise problems.unavailable("The OpenID Connect issuer")
        is_own_audience = self.settings.audience == self.client_id
        return {
            "issuer": self.settings.issuer,
            "client_id": self.client_id,
            "authorization_endpoint": endpoints.authorization,
            "token_endpoint": endpoints.token,
            "scope": " ".join(self.settings.scopes),
            "audience": None if is_own_audience else self.settings.audience,
            "token": "id_token" if is_own_audience else "access_token",
        }

    async def origins(self) -> list[str]:
        """Return the origins that the page's requests go to: the token endpoint's, once it is known."""
        endpoints = await self.discovery.endpoints()
        if endpoints is None:
            return []
        url = urlsplit(endpoints.token)
        return [f"{url.scheme}://{url.netloc}"]
