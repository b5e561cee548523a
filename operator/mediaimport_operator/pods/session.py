"""Temporary credentials of a Job: the request to STS, and the Secret with the answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_api.names import AssetKeys

from mediaimport_operator.settings.session import MARGIN_S, MIN_SESSION_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.settings.importer import ImporterSettings
    from mediaimport_operator.settings.operator import Settings
    from mediaimport_operator.settings.session import SessionSettings

IMPORT = ("s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload")
"""All that an importer does: docs/security.md, "S3 permissions"."""
CLEANUP = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
INCOMING = ("s3:GetObject", "s3:DeleteObject")
"""Actions of an import on the object of `source.store`."""
BUCKET = "s3:ListBucketMultipartUploads"
"""The one action on the bucket: to find uploads that killed attempts left. S3 cannot limit it to a prefix."""
_KMS_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")
_MAX_SESSION_NAME = 64


@dataclass(frozen=True)
class SessionRequest:
    """Request to STS for the credentials of one Job."""

    role: str
    name: str
    """The Job's, so that the store's audit log names the attempt."""
    policy: str
    deadline_s: int

    @property
    def duration_s(self) -> int:
        """Return how long the credentials must be valid."""
        return max(self.deadline_s + MARGIN_S, MIN_SESSION_S)


@dataclass(frozen=True)
class Credentials:
    """Credentials from STS; the repr shows none of them."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def request(owner: Resource, session: SessionSettings, job: Object) -> SessionRequest:
    """Return the request for the credentials of a Job: the cleanup's once the resource is being deleted."""
    keys = AssetKeys(user_id=owner.user_id, asset_id=owner.asset_id)
    return SessionRequest(
        role=session.role,
        name=job["metadata"]["name"][:_MAX_SESSION_NAME],
        policy=policy(
            session,
            prefix=keys.prefix,
            actions=CLEANUP if owner.deleting else IMPORT,
            incoming=None if owner.deleting else _incoming_key(owner),
        ),
        deadline_s=job["spec"]["activeDeadlineSeconds"],
    )


def _incoming_key(owner: Resource) -> str | None:
    """Return the key of the object that the import reads and removes, None for a source elsewhere."""
    store = None if owner.spec is None else owner.spec.source.store
    return None if store is None else store.key


def policy(session: SessionSettings, *, prefix: str, actions: Sequence[str], incoming: str | None = None) -> str:
    """Return the session policy: it limits the role to those actions under that prefix; it adds nothing to the role.

    `incoming`: the key of one more object, which the import reads and removes.
    """
    bucket = f"arn:{session.partition}:s3:::{session.bucket}"
    objects = {"Effect": "Allow", "Action": actions, "Resource": f"{bucket}/{prefix}*"}
    source = {"Effect": "Allow", "Action": INCOMING, "Resource": f"{bucket}/{incoming}"}
    uploads = {"Effect": "Allow", "Action": BUCKET, "Resource": bucket}
    # A bucket of AWS may encrypt with a KMS key, which the session then uses, too; other stores know no such actions.
    keys = {
        "Effect": "Allow",
        "Action": _KMS_ACTIONS,
        "Resource": "*",
        "Condition": {"StringLike": {"kms:ViaService": "s3.*"}},
    }
    statements = [objects, *([source] if incoming else []), uploads, *([keys] if session.on_aws else [])]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def importer_settings(settings: Settings, *, job_name: str) -> ImporterSettings:
    """Return what a Job's pod is made of: with a role, its own Secret takes the place of the store's."""
    if settings.session is None:
        return settings.importer
    return replace(settings.importer, store_secret=secret_name(job_name))


def secret_name(job_name: str) -> str:
    """Return the name of the Secret for that Job's pod."""
    return f"{job_name}-s3"


def secret(job: Object, credentials: Credentials) -> Object:
    """Return the Secret for a Job as the API server has it; it is deleted with the Job."""
    meta = job["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(meta["name"]),
            "namespace": meta["namespace"],
            "labels": _labels(meta["labels"]),
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}],
        },
        "type": "Opaque",
        "stringData": {
            "S3_ACCESS_KEY_ID": credentials.access_key_id,
            "S3_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "S3_SESSION_TOKEN": credentials.session_token,
        },
    }


def _labels(labels: dict[str, str]) -> dict[str, str]:
    """Return those of the Job's labels that say whose it is."""
    kept = ("app.kubernetes.io/name", names.MANAGED_BY, names.LABEL_INSTANCE, names.LABEL_UID, names.LABEL_ATTEMPT)
    return {name: labels[name] for name in kept if name in labels}
