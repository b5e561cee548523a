"""Client of the webhook, as a frontend uses it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

from mediaimport_checks.checklist import CheckError

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


@dataclass(frozen=True)
class Caller:
    """User of the test import, and headers to query the webhook with; None: no token can be used."""

    user_id: str
    headers: dict[str, str] | None


def caller(tokens_file: Path, *, anonymous: bool, default_user_id: str) -> Caller:
    """Return the caller of the first token in clear text."""
    if anonymous:
        return Caller(default_user_id, {})
    try:
        grants = json.loads(tokens_file.read_text())
        grant = next(each for each in grants if each.get("token"))
        return Caller(str(grant["user"]), {"authorization": f"Bearer {grant['token']}"})
    except (OSError, ValueError, StopIteration, AttributeError, KeyError):
        return Caller(default_user_id, None)


@dataclass(frozen=True)
class Webhook:
    """Webhook behind its Service."""

    http: httpx.Client

    def readiness(self) -> str:
        """Return its answer to /readyz; CheckError if it is not ready."""
        answer = self._get("/readyz", {})
        if answer.is_error:
            raise CheckError(f"it answers {answer.status_code}: {answer.text[:200]}", _LOGS)
        return f"{self.http.base_url} answers {answer.status_code}"

    def asset(self, asset_id: str, headers: dict[str, str]) -> dict[str, Any]:
        """Return the asset's JSON; CheckError."""
        answer = self._get(f"/api/v1/media/{asset_id}", headers)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            raise CheckError("it refuses its own token", "see that auth's Secret is the one that the webhook mounts")
        if answer.is_error:
            raise CheckError(f"it answers {answer.status_code}: {answer.text[:200]}", _LOGS)
        content: dict[str, Any] = answer.json()
        return content

    def presigned_url(self, asset_id: str, which: str, headers: dict[str, str]) -> str:
        """Return the asset's `url` or `thumbnail_url`; CheckError."""
        url: str | None = self.asset(asset_id, headers).get(which)
        if not url:
            raise CheckError(f"the webhook's answer has no {which}", _LOGS)
        return url

    def _get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        try:
            return self.http.get(path, headers=headers)
        except httpx.HTTPError as error:
            raise CheckError(f"{self.http.base_url} does not answer ({type(error).__name__})", _LOGS) from error


_LOGS = "kubectl logs -l app.kubernetes.io/component=webhook"


def connect(url: str) -> Webhook:
    """Return the webhook at that URL."""
    return Webhook(httpx.Client(base_url=url, timeout=10, trust_env=False))


def fetch(url: str, trust: ssl.SSLContext) -> tuple[int, str]:
    """Return size and SHA-256 of the answer to a presigned URL; CheckError."""
    try:
        answer = httpx.get(url, timeout=10, verify=trust, trust_env=False)
    except httpx.HTTPError as error:
        raise CheckError(
            f"{httpx.URL(url).host} does not answer a presigned URL ({type(error).__name__})",
            "check s3.publicEndpointUrl: browsers, and here this pod, have to reach it",
        ) from error
    if answer.is_error:
        raise CheckError(
            f"a presigned URL is answered {answer.status_code}",
            "see that the webhook's keys may Get media/*, and that s3.publicEndpointUrl is the store's own name",
        )
    return len(answer.content), hashlib.sha256(answer.content).hexdigest()
