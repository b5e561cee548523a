"""Bucket of the installation, with the keys of the importers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mediaimport_checks.checklist import CheckError, LeftOut

if TYPE_CHECKING:
    from mediaimport_runtime.store_settings import StoreSettings
    from mypy_boto3_s3 import S3Client

    from mediaimport_checks.checklist import Outcome

_EXISTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_BODY = b"written by helm test; may be deleted"


@dataclass(frozen=True)
class Store:
    """Bucket of the installation."""

    client: S3Client
    settings: StoreSettings

    def write(self, key: str) -> Outcome:
        """Write an object and read it back."""
        bucket = self.settings.bucket
        try:
            self.client.put_object(Bucket=bucket, Key=key, Body=_BODY)
            found = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            raise CheckError(_failure(error), _remedy(error)) from error
        if found != _BODY:
            raise CheckError("it answers other bytes than the written ones", "use another store")
        return f"bucket {bucket}"

    def write_again(self, key: str) -> Outcome:
        """Write the same object again with If-None-Match, which the store must refuse."""
        if not self.settings.conditional_writes:
            return LeftOut("s3.conditionalWrites is false: two importers of one asset could overwrite each other")
        try:
            self.client.put_object(Bucket=self.settings.bucket, Key=key, Body=_BODY, IfNoneMatch="*")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _EXISTS:
                return "If-None-Match is refused where an object is"
            raise CheckError(_failure(error), _UNCONDITIONAL) from error
        except BotoCoreError as error:
            raise CheckError(_failure(error), _remedy(error)) from error
        raise CheckError("an object was overwritten in spite of If-None-Match", _UNCONDITIONAL)

    def delete(self, keys: list[str]) -> Outcome:
        """Delete objects; LeftOut if the keys may not."""
        for key in keys:
            try:
                self.client.delete_object(Bucket=self.settings.bucket, Key=key)
            except (ClientError, BotoCoreError) as error:
                return LeftOut(f"the store keeps {key} and the other objects: {_failure(error)}")
        return f"{len(keys)} objects and the test import are deleted"


_UNCONDITIONAL = "use a store that honours conditional writes, or set s3.conditionalWrites to false and accept the risk"


def connect(settings: StoreSettings) -> Store:
    """Return the bucket without a request to it. The network of a pod that has just started may take seconds."""
    retries = {"mode": "standard", "total_max_attempts": 4}
    arguments = settings.client_arguments(Config, connect_timeout=5, read_timeout=10, retries=retries)
    return Store(boto3.client("s3", **arguments), settings)


def _failure(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"the store answered {details.get('Code', 'an error')}: {details.get('Message', '')}"
    return f"the store cannot be reached: {error}"


def _remedy(error: ClientError | BotoCoreError) -> str:
    if not isinstance(error, ClientError):
        return "check s3.endpointUrl, s3.region, s3.caBundle, and s3.networks for the NetworkPolicies"
    if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
        return "create the bucket, or set s3.bucket to one that is there"
    return "check the keys and that their policy allows Put and Get on media/* (docs/security.md)"
