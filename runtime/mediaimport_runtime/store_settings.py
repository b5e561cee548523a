"""Settings of the store: the S3_… variables, shared by importer, webhook and checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from mediaimport_runtime.environment import BadSettingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_runtime.environment import Environment

AddressingStyle = Literal["auto", "path", "virtual"]


@dataclass(frozen=True)
class StoreKeys:
    """An access key, and the session token of a temporary one. Without them the SDK's own chain is used."""

    access_key_id: str | None
    secret_access_key: str | None = field(repr=False)
    session_token: str | None = field(repr=False)

    @classmethod
    def read(cls, env: Environment) -> StoreKeys:
        """Return the variables of the keys; BadSettingError for a part without its other parts."""
        key, secret, token = (
            env.optional(name) for name in ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "S3_SESSION_TOKEN")
        )
        if (key is None) != (secret is None):
            missing = "S3_SECRET_ACCESS_KEY" if secret is None else "S3_ACCESS_KEY_ID"
            raise BadSettingError(f"{missing} is not set, though its other half is; set both or neither")
        if token is not None and key is None:
            raise BadSettingError("S3_SESSION_TOKEN is set, though S3_ACCESS_KEY_ID is not; set both or neither")
        return cls(access_key_id=key, secret_access_key=secret, session_token=token)

    def client_arguments(self) -> dict[str, str | None]:
        """Return the keys as keyword arguments of `boto3.client(…)`."""
        return {
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "aws_session_token": self.session_token,
        }


@dataclass(frozen=True)
class StoreSettings:
    """One bucket. Without keys the SDK's own chain is used (IRSA, workload identity, profiles)."""

    bucket: str
    region: str
    endpoint_url: str | None
    public_endpoint_url: str | None
    keys: StoreKeys
    ca_bundle: str | None
    addressing_style: AddressingStyle
    sse: str | None
    checksums: bool
    conditional_writes: bool

    @classmethod
    def read(cls, env: Environment) -> StoreSettings:
        """Return the S3_… variables; BadSettingError for what is missing or contradicts itself."""
        style = env.text("S3_ADDRESSING_STYLE", "auto")
        if style not in {"auto", "path", "virtual"}:
            raise BadSettingError(f"S3_ADDRESSING_STYLE is {style!r}; it must be auto, path or virtual")
        return cls(
            bucket=env.text("S3_BUCKET_NAME"),
            region=env.text("S3_REGION", "us-east-1"),
            endpoint_url=env.optional("S3_ENDPOINT_URL"),
            public_endpoint_url=env.optional("S3_PUBLIC_ENDPOINT_URL"),
            keys=StoreKeys.read(env),
            ca_bundle=env.optional("S3_CA_BUNDLE"),
            addressing_style=cast("AddressingStyle", style),
            sse=env.optional("S3_SSE"),
            checksums=env.boolean("S3_CHECKSUMS", default=True),
            conditional_writes=env.boolean("S3_CONDITIONAL_WRITES", default=True),
        )

    def client_arguments(
        self,
        config: Callable[..., Any],
        *,
        public: bool = False,
        **options: Any,  # noqa: ANN401 - of `config`
    ) -> dict[str, Any]:
        """Return keyword arguments of `boto3.client("s3", …)`.

        `config`: botocore's `Config`, which this package does not import; `options` are more of its arguments, or other
        ones. `public`: for presigned URLs, under the name that browsers see.
        """
        endpoint = (self.public_endpoint_url if public else None) or self.endpoint_url
        when = "when_supported" if self.checksums else "when_required"
        needed = {
            "signature_version": "s3v4",
            "s3": {"addressing_style": self.addressing_style},
            "request_checksum_calculation": when,
            "response_checksum_validation": when,
        }
        return {
            "region_name": self.region,
            "endpoint_url": endpoint,
            **self.keys.client_arguments(),
            "verify": self.ca_bundle or None,
            "config": config(**(needed | options)),
        }
