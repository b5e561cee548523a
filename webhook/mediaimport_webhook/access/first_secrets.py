"""Secrets that an installation starts with, created where they are absent: the first API token, the first owner key.

A Job of the chart runs this. A template cannot: whatever renders it without a cluster would make another token each
time. Secrets that exist are neither read nor changed, so that a token outlives upgrades and uninstalls.
"""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_runtime.kubernetes.errors import AlreadyExistsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mediaimport_runtime.environment import Environment
    from mediaimport_runtime.kubernetes.client import Client

Resource = dict[str, Any]
_RANDOM_BYTES = 32

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FirstSecrets:
    """Names of the Secrets; None for one that the user brings."""

    namespace: str
    token: str | None
    owner_keys: str | None
    endpoint_keys: str | None
    default_user_id: str
    log_level: str

    @classmethod
    def read(cls, env: Environment) -> FirstSecrets:
        """Return the names; BadSettingError names the first variable that is wrong."""
        return cls(
            namespace=env.text("NAMESPACE"),
            token=env.optional("FIRST_TOKEN_SECRET"),
            owner_keys=env.optional("OWNER_KEYS_SECRET"),
            endpoint_keys=env.optional("ENDPOINT_KEYS_SECRET"),
            default_user_id=env.text("DEFAULT_USER_ID", "default"),
            log_level=env.text("LOG_LEVEL", "info"),
        )

    def manifests(self) -> Iterator[Resource]:
        """Yield the Secrets with new random content."""
        if self.token:
            token = secrets.token_hex(_RANDOM_BYTES)
            tokens = [{"token": token, "user": self.default_user_id, "role": "admin"}]
            yield _secret(self.token, {"token": token, "tokens.json": json.dumps(tokens)})
        if self.owner_keys:
            yield _secret(self.owner_keys, {"OWNER_TOKEN_KEYS": secrets.token_hex(_RANDOM_BYTES)})
        if self.endpoint_keys:
            yield _secret(self.endpoint_keys, {"current": secrets.token_hex(_RANDOM_BYTES)})


async def create_absent(client: Client, first: FirstSecrets) -> None:
    """Create the Secrets that do not exist; KubernetesError."""
    for manifest in first.manifests():
        name = manifest["metadata"]["name"]
        try:
            await client.create(f"/api/v1/namespaces/{first.namespace}/secrets", manifest)
        except AlreadyExistsError:
            log.info("the Secret exists and is kept", extra={"secret": name})
        else:
            log.info("the Secret was created", extra={"secret": name})


def _secret(name: str, content: dict[str, str]) -> Resource:
    # Without app.kubernetes.io/instance: Argo CD deletes what has its application's label and is not in its manifests.
    labels = {"app.kubernetes.io/name": "mediaimport", "app.kubernetes.io/component": "webhook"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": labels},
        "stringData": content,
    }
