"""Settings of the temporary credentials that every attempt gets: the role, and how STS is reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.store_settings import StoreKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_runtime.environment import Environment

MIN_SESSION_S = 900
MAX_SESSION_S = 43_200
"""Of any role: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html."""
MARGIN_S = 300
"""Longer than the deadline, which begins with the Job: for the pod's grace period, and for clocks that differ."""
_ROLE = re.compile(r"arn:([a-z0-9-]+):iam::[0-9]*:role/[\w+=,.@/-]+")


@dataclass(frozen=True)
class SessionSettings:
    """The role that is assumed for each attempt, and the operator's own way to STS."""

    role: str
    bucket: str
    region: str
    store_url: str | None
    """None: the store is AWS's."""
    sts_url: str | None
    """None: AWS's, in that region."""
    keys: StoreKeys
    ca_bundle: str | None

    @classmethod
    def read(cls, env: Environment, *, deadline_s: int) -> SessionSettings | None:
        """Return the settings, None without S3_SESSION_ROLE; BadSettingError for what cannot work."""
        role, store_url = env.optional("S3_SESSION_ROLE"), env.optional("S3_ENDPOINT_URL")
        found = cls(
            role=role or "",
            bucket=env.text("S3_BUCKET_NAME"),
            region=env.text("S3_REGION", "us-east-1"),
            store_url=store_url,
            # MinIO, Ceph and SeaweedFS serve STS where they serve S3.
            sts_url=env.optional("S3_STS_ENDPOINT_URL") or store_url,
            keys=StoreKeys.read(env),
            ca_bundle=env.optional("S3_CA_BUNDLE"),
        )
        if role is None:
            return None
        found._check(deadline_s)
        return found

    def _check(self, deadline_s: int) -> None:
        if _ROLE.fullmatch(self.role) is None:
            raise BadSettingError(f"S3_SESSION_ROLE is {self.role!r}; use an ARN: arn:aws:iam::ACCOUNT:role/NAME")
        if deadline_s + MARGIN_S > MAX_SESSION_S:
            raise BadSettingError(
                f"DEADLINE_SECONDS is {deadline_s}; with S3_SESSION_ROLE it must be at most {MAX_SESSION_S - MARGIN_S},"
                f" since STS gives no session longer than {MAX_SESSION_S} s"
            )

    @property
    def partition(self) -> str:
        """Return the partition of the bucket's ARN: the role's; `aws` for a store that is not AWS's."""
        match = _ROLE.fullmatch(self.role)
        return match[1] if match and match[1].startswith("aws-") else "aws"

    @property
    def on_aws(self) -> bool:
        """Tell whether AWS is the store."""
        return self.store_url is None

    def client_arguments(self, config: Callable[..., Any]) -> dict[str, Any]:
        """Return keyword arguments of `boto3.client("sts", …)`; `config` is botocore's `Config`."""
        return {
            "region_name": self.region,
            "endpoint_url": self.sts_url,
            **self.keys.client_arguments(),
            "verify": self.ca_bundle or None,
            # A reconcile waits for it.
            "config": config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"}),
        }
