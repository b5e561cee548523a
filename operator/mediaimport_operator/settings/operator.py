"""Settings of the operator, read once from the environment."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from mediaimport_api.spec import MIN_TTL_SECONDS
from mediaimport_runtime.environment import BadSettingError, Environment

from mediaimport_operator.settings.events import EventSettings
from mediaimport_operator.settings.importer import ImporterSettings
from mediaimport_operator.settings.session import SessionSettings

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_MAX_SIZE_BYTES = 5 * 1024**3
_MAX_PORT = 2**16 - 1


@dataclass(frozen=True)
class Caps:
    """Limits of the imports that run at once; 0 means no limit of that kind."""

    total: int
    per_user: int = 0
    per_host: int = 0


@dataclass(frozen=True)
class Settings:
    """All settings. Names that end in _s are seconds."""

    namespaces: tuple[str, ...]
    operator_namespace: str
    pod_name: str
    pod_uid: str
    instance: str
    bucket: str
    importer: ImporterSettings
    session: SessionSettings | None
    """None: all importers use the store's own keys, or their identity."""
    caps: Caps
    kueue: bool
    max_size_bytes: int
    deadline_s: int
    retry_wait_s: int
    successful_job_s: int
    failed_job_s: int
    probe_port: int
    metrics_port: int
    log_level: str
    events: EventSettings
    has_catalogue: bool
    """True if the webhook records the imports of the operator's namespace in a database."""
    default_ttl_s: int
    """Of a finished import there whose spec has none; 0 keeps it."""

    @classmethod
    def read(cls, env: Environment) -> Settings:
        """Return the settings; BadSettingError names the variable that is missing or wrong."""
        namespace = env.text("OPERATOR_NAMESPACE")
        pod_name = env.text("POD_NAME", "mediaimport-operator")
        deadline_s = env.integer("DEADLINE_SECONDS", 1800, least=10)
        return cls(
            namespaces=env.words("WATCH_NAMESPACES") or (namespace,),
            operator_namespace=namespace,
            pod_name=pod_name,
            pod_uid=env.text("POD_UID", pod_name),
            instance=_label_value(env, "INSTANCE", "mediaimport"),
            bucket=env.text("S3_BUCKET_NAME"),
            importer=ImporterSettings.read(env),
            session=SessionSettings.read(env, deadline_s=deadline_s),
            caps=Caps(
                total=env.integer("MAX_IN_FLIGHT", 10, least=1),
                per_user=env.integer("MAX_IN_FLIGHT_PER_USER", 0),
                per_host=env.integer("MAX_IN_FLIGHT_PER_HOST", 0),
            ),
            kueue=env.boolean("KUEUE_ENABLED", default=False),
            max_size_bytes=env.integer("MAX_SIZE_BYTES", _MAX_SIZE_BYTES, least=1),
            deadline_s=deadline_s,
            retry_wait_s=env.integer("RETRY_WAIT_SECONDS", 10),
            successful_job_s=env.integer("SUCCESSFUL_JOB_SECONDS", 300),
            failed_job_s=env.integer("FAILED_JOB_SECONDS", 86400),
            probe_port=_port(env, "PROBE_PORT", 8080, least=1),
            metrics_port=_port(env, "METRICS_PORT", 0),
            log_level=_log_level(env),
            events=EventSettings.read(env),
            has_catalogue=env.boolean("CATALOGUE_ENABLED", default=False),
            default_ttl_s=_default_ttl_s(env),
        )


def _port(env: Environment, name: str, default: int, *, least: int = 0) -> int:
    port = env.integer(name, default, least=least)
    if port > _MAX_PORT:
        raise BadSettingError(f"{name} is {port}; it must be at most {_MAX_PORT}")
    return port


def _label_value(env: Environment, name: str, default: str) -> str:
    value = env.text(name, default)
    if _LABEL_VALUE.fullmatch(value) is None:
        raise BadSettingError(f"{name} is {value!r}; it must be a valid label value")
    return value


def _default_ttl_s(env: Environment) -> int:
    """Return the time to live of imports that ask for none; without a catalogue nothing else lists them."""
    ttl_s = env.integer("CATALOGUE_TTL_SECONDS", 86400)
    if 0 < ttl_s < MIN_TTL_SECONDS:
        raise BadSettingError(f"CATALOGUE_TTL_SECONDS is {ttl_s}; it must be at least {MIN_TTL_SECONDS}, or 0 for none")
    return ttl_s if env.boolean("CATALOGUE_ENABLED", default=False) else 0


def _log_level(env: Environment) -> str:
    level = env.text("LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise BadSettingError(f"LOG_LEVEL is {level!r}; it must be DEBUG, INFO, WARNING or ERROR")
    return level
