"""Settings of the webhook, read once from the environment."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from mediaimport_api.source_policy import SourcePolicy
from mediaimport_api.spec import Spec
from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.master_keys import MasterKeys
from mediaimport_runtime.store_settings import StoreSettings
from pydantic import ValidationError

from mediaimport_webhook.http import problems

if TYPE_CHECKING:
    from mediaimport_api.source_policy import Network
    from mediaimport_runtime.environment import Environment

AuthMode = Literal["tokens", "none"]
InputProvenance = Literal["full", "hashed", "none"]
"""Extent to which a model's input is recorded: it may be personal data."""

_PROVENANCES = frozenset(get_args(InputProvenance))
_LEVELS = frozenset({"debug", "info", "warning", "error"})
_MIN_KEY_CHARACTERS = 32
_MAX_PORT = 2**16 - 1
_MAX_SIZE_BYTES = 5 * 1024**3
_MAX_PRESIGN_SECONDS = 7 * 24 * 3600
"""S3's limit of a presigned URL's life."""


@dataclass(frozen=True)
class Oidc:
    """OpenID Connect issuer; without `jwks_url` its discovery document names the JWKS."""

    issuer: str
    audience: str
    jwks_url: str | None
    groups_claim: str
    admin_group: str | None
    client_id: str | None = None
    """The public client that the gallery is; None: its users paste a token."""
    scopes: tuple[str, ...] = ("openid",)
    """Of the gallery's tokens."""


@dataclass(frozen=True)
class CatalogueUrl:
    """URL of the catalogue's database; one in a file is read again for each connection, so a password may rotate."""

    url: str | None = field(repr=False)
    file: Path | None

    def read(self) -> str:
        """Return the URL as it is now; OSError if its file cannot be read."""
        return self.url or ("" if self.file is None else self.file.read_text().strip())

    @classmethod
    def of(cls, env: Environment) -> CatalogueUrl | None:
        """Return the URL of CATALOGUE_URL or CATALOGUE_URL_FILE; None for no database. BadSettingError for both."""
        url, file = env.optional("CATALOGUE_URL"), _path(env.optional("CATALOGUE_URL_FILE"))
        if url is not None and file is not None:
            raise BadSettingError("CATALOGUE_URL and CATALOGUE_URL_FILE are both set; leave one out")
        if url is not None and not url.startswith(("postgresql://", "postgres://", "sqlite:///")):
            raise BadSettingError("CATALOGUE_URL must start with postgresql:// or sqlite:///")
        return None if url is None and file is None else cls(url, file)


@dataclass(frozen=True)
class Settings:
    """All settings. A route that needs one which is None answers 503 and names the variable."""

    host: str
    port: int
    metrics_port: int
    namespace: str
    pod_name: str
    deployment_name: str | None
    default_user_id: str
    auth_mode: AuthMode
    auth_tokens_file: Path | None
    oidc: Oidc | None
    rate_limit_per_second: int
    """For each user; 0 is no limit."""
    unauthenticated_rate_limit_per_second: int
    """For each address, of requests without valid credentials; 0 is no limit."""
    event_streams_per_user: int
    """0 is no limit."""
    trusted_proxies: tuple[Network, ...]
    """Networks of the proxies whose X-Forwarded-For is believed."""
    store: StoreSettings
    catalogue_url: CatalogueUrl | None
    """None: no database; an asset is listed as long as its resource exists."""
    sources: SourcePolicy
    presign_seconds: int
    max_size_bytes: int
    """Of an upload; the operator has the same for imports."""
    quota_bytes_per_user: int
    """0 is no limit."""
    keep_alive_seconds: int
    """Of an idle connection; longer than the ingress keeps it, else the ingress answers 502 now and then."""
    replicate_base_url: str
    replicate_api_token: str | None = field(repr=False)
    replicate_webhook_secrets: tuple[str, ...] = field(repr=False)
    replicate_models_file: Path | None
    fal_user_id: str | None
    fal_jwks_url: str
    fal_key: str | None = field(repr=False)
    fal_queue_url: str
    large_callback_max_bytes: int
    """Of a callback whose signature is checked while it passes, and of the answer of the generator's API for it."""
    owner_token_keys: tuple[str, ...] = field(repr=False)
    """The first signs, all verify."""
    recovery_import_all: bool
    input_provenance: InputProvenance
    tells_failures: bool
    """Failed predictions are recorded, so that the operator tells endpoints of them."""
    endpoint_keys: MasterKeys | None
    """None: users make no endpoints of their own."""
    endpoint_policy: SourcePolicy
    """Addresses on which such endpoints may be."""
    public_base_url: str | None
    cors_origins: tuple[str, ...]
    api_viewer_folder: Path
    """The folder of Swagger UI, next to Python in the image."""
    log_level: str

    @classmethod
    def read(cls, env: Environment) -> Settings:
        """Return the settings; BadSettingError names the first variable that is wrong."""
        return cls(
            host=env.text("HOST", "0.0.0.0"),  # noqa: S104 - the address of a pod is not known before
            port=env.integer("PORT", 8080, least=1),
            metrics_port=_metrics_port(env),
            namespace=env.text("NAMESPACE"),
            pod_name=env.text("POD_NAME", "mediaimport-webhook"),
            deployment_name=env.optional("DEPLOYMENT_NAME"),
            default_user_id=_user_id("DEFAULT_USER_ID", env.text("DEFAULT_USER_ID", "default")),
            auth_mode=cast("AuthMode", _one_of(env, "AUTH_MODE", {"tokens", "none"}, default="tokens")),
            auth_tokens_file=_path(env.optional("AUTH_TOKENS_FILE")),
            oidc=_oidc(env),
            rate_limit_per_second=env.integer("RATE_LIMIT_PER_SECOND", 0),
            unauthenticated_rate_limit_per_second=env.integer("UNAUTHENTICATED_RATE_LIMIT_PER_SECOND", 0),
            event_streams_per_user=env.integer("EVENT_STREAMS_PER_USER", 100),
            trusted_proxies=env.networks("TRUSTED_PROXIES"),
            store=StoreSettings.read(env),
            catalogue_url=CatalogueUrl.of(env),
            sources=env.source_policy(),
            presign_seconds=_presign_seconds(env),
            max_size_bytes=env.integer("MAX_SIZE_BYTES", _MAX_SIZE_BYTES, least=1),
            quota_bytes_per_user=env.integer("QUOTA_BYTES_PER_USER", 0),
            keep_alive_seconds=env.integer("KEEP_ALIVE_SECONDS", 150, least=1),
            replicate_base_url=_base_url(env, "REPLICATE_BASE_URL") or "https://api.replicate.com",
            replicate_api_token=env.optional("REPLICATE_API_TOKEN"),
            replicate_webhook_secrets=env.words("REPLICATE_WEBHOOK_SECRETS"),
            replicate_models_file=_path(env.optional("REPLICATE_MODELS_FILE")),
            fal_user_id=env.optional("FAL_USER_ID"),
            fal_jwks_url=_base_url(env, "FAL_JWKS_URL") or "https://rest.fal.ai/.well-known/jwks.json",
            fal_key=env.optional("FAL_KEY"),
            fal_queue_url=_base_url(env, "FAL_QUEUE_URL") or "https://queue.fal.run",
            large_callback_max_bytes=env.integer("LARGE_CALLBACK_MAX_BYTES", 64 * 1024 * 1024, least=5 * 1024 * 1024),
            owner_token_keys=_owner_token_keys(env),
            recovery_import_all=env.boolean("RECOVERY_IMPORT_ALL", default=False),
            input_provenance=cast("InputProvenance", _one_of(env, "PROVENANCE_INPUT", _PROVENANCES, default="full")),
            tells_failures=env.boolean("TELL_FAILED_PREDICTIONS", default=False),
            endpoint_keys=MasterKeys.read(env),
            endpoint_policy=SourcePolicy(allowed_networks=env.networks("USER_ENDPOINTS_ALLOWED_NETWORKS")),
            public_base_url=_base_url(env, "PUBLIC_BASE_URL"),
            cors_origins=env.words("CORS_ORIGINS"),
            api_viewer_folder=Path(env.optional("API_VIEWER_DIRECTORY") or Path(sys.prefix, "share/swagger-ui")),
            log_level=_one_of(env, "LOG_LEVEL", _LEVELS, default="info"),
        )


def user_id_refusal(text: str) -> str | None:
    """Return why the text cannot be a user's id; None if it can."""
    try:
        Spec.model_validate({"source": {"url": "https://example.com/"}, "userId": text})
    except ValidationError as error:
        return problems.first_error(error)
    return None


def _user_id(name: str, text: str) -> str:
    if (refusal := user_id_refusal(text)) is not None:
        raise BadSettingError(f"{name} is {text!r}: {refusal}")
    return text


def _one_of(env: Environment, name: str, allowed: set[str] | frozenset[str], *, default: str) -> str:
    value = env.text(name, default).lower()
    if value not in allowed:
        raise BadSettingError(f"{name} is {value!r}; it must be one of {', '.join(sorted(allowed))}")
    return value


def _oidc(env: Environment) -> Oidc | None:
    issuer = env.optional("OIDC_ISSUER")
    if issuer is None:
        return None
    if not issuer.startswith(("http://", "https://")):
        raise BadSettingError(f"OIDC_ISSUER is {issuer!r}; it must start with https:// or http://")
    return Oidc(
        issuer=issuer,
        audience=env.text("OIDC_AUDIENCE"),
        jwks_url=_base_url(env, "OIDC_JWKS_URL"),
        groups_claim=env.text("OIDC_GROUPS_CLAIM", "groups"),
        admin_group=env.optional("OIDC_ADMIN_GROUP"),
        client_id=env.optional("OIDC_CLIENT_ID"),
        scopes=env.words("OIDC_SCOPES") or ("openid",),
    )


def _owner_token_keys(env: Environment) -> tuple[str, ...]:
    keys = env.words("OWNER_TOKEN_KEYS")
    if any(len(each) < _MIN_KEY_CHARACTERS for each in keys):
        raise BadSettingError(
            f"OWNER_TOKEN_KEYS has a key of less than {_MIN_KEY_CHARACTERS} characters; make a longer one"
        )
    return keys


def _metrics_port(env: Environment) -> int:
    """Return the port, 0 for no metrics."""
    port = env.integer("METRICS_PORT", 0)
    if port > _MAX_PORT:
        raise BadSettingError(f"METRICS_PORT is {port}; it must be at most {_MAX_PORT}, or 0 for no metrics")
    return port


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _presign_seconds(env: Environment) -> int:
    seconds = env.integer("PRESIGN_SECONDS", 3600, least=5)
    if seconds > _MAX_PRESIGN_SECONDS:
        raise BadSettingError(f"PRESIGN_SECONDS is {seconds}; it must be at most {_MAX_PRESIGN_SECONDS}")
    return seconds


def _base_url(env: Environment, name: str) -> str | None:
    value = env.optional(name)
    if value is not None and not value.startswith(("http://", "https://")):
        raise BadSettingError(f"{name} is {value!r}; it must start with https:// or http://")
    return None if value is None else value.rstrip("/")
