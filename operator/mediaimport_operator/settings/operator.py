"""The operator's settings, read once from the environment."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.kubernetes import quantity

from mediaimport_operator.decide.limits import Caps
from mediaimport_operator.settings.extras import Extras

if TYPE_CHECKING:
    from mediaimport_runtime.environment import Environment

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PLACEMENT = frozenset({"nodeSelector", "tolerations", "affinity", "priorityClassName", "topologySpreadConstraints"})
_PULL_POLICIES = ("IfNotPresent", "Always", "Never")
_MAX_SIZE_BYTES = 5 * 1024**3
_MAX_PORT = 2**16 - 1


Placement = dict[str, Any]
"""Fields of a pod's spec that say which nodes it may run on."""


@dataclass(frozen=True)
class ImporterSettings:
    """What every importer's pod is made of. Quantities are Kubernetes'."""

    image: str
    prober_image: str
    pull_policy: str
    pull_secrets: tuple[str, ...]
    service_account: str | None
    config_map: str | None
    store_secret: str | None
    store_ca_config_map: str | None
    memory: str
    cpu_request: str
    prober_memory: str
    prober_cpu_request: str
    scratch_size: str
    placement: Placement
    extras: Extras
    uid: int | None
    prober_uid: int | None
    """None: whom the namespace says."""

    @classmethod
    def read(cls, env: Environment) -> ImporterSettings:
        """Return the importer's part; BadSettingError for what is missing or wrong."""
        return cls(
            image=env.text("IMPORTER_IMAGE"),
            prober_image=env.text("PROBER_IMAGE"),
            pull_policy=_one_of(env, "IMAGE_PULL_POLICY", _PULL_POLICIES),
            pull_secrets=env.words("IMAGE_PULL_SECRETS"),
            service_account=env.optional("IMPORTER_SERVICE_ACCOUNT"),
            config_map=env.optional("IMPORTER_CONFIG_MAP"),
            store_secret=env.optional("S3_SECRET_NAME"),
            store_ca_config_map=env.optional("S3_CA_CONFIG_MAP"),
            memory=_bytes(env, "IMPORTER_MEMORY", "256Mi"),
            cpu_request=env.text("IMPORTER_CPU_REQUEST", "100m"),
            prober_memory=_bytes(env, "PROBER_MEMORY", "1Gi"),
            prober_cpu_request=env.text("PROBER_CPU_REQUEST", "100m"),
            scratch_size=_bytes(env, "SCRATCH_SIZE", "10Gi"),
            placement=_placement(env),
            extras=Extras.read(env),
            uid=_uid(env, "IMPORTER_UID", 65532),
            prober_uid=_uid(env, "PROBER_UID", 65533),
        )


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

    @classmethod
    def read(cls, env: Environment) -> Settings:
        """Return the settings; BadSettingError names the variable that is missing or wrong."""
        namespace = env.text("OPERATOR_NAMESPACE")
        pod_name = env.text("POD_NAME", "mediaimport-operator")
        return cls(
            namespaces=env.words("WATCH_NAMESPACES") or (namespace,),
            operator_namespace=namespace,
            pod_name=pod_name,
            pod_uid=env.text("POD_UID", pod_name),
            instance=_label_value(env, "INSTANCE", "mediaimport"),
            bucket=env.text("S3_BUCKET_NAME"),
            importer=ImporterSettings.read(env),
            caps=Caps(
                total=env.integer("MAX_IN_FLIGHT", 10, least=1),
                per_user=env.integer("MAX_IN_FLIGHT_PER_USER", 0),
                per_host=env.integer("MAX_IN_FLIGHT_PER_HOST", 0),
            ),
            kueue=env.boolean("KUEUE_ENABLED", default=False),
            max_size_bytes=env.integer("MAX_SIZE_BYTES", _MAX_SIZE_BYTES, least=1),
            deadline_s=env.integer("DEADLINE_SECONDS", 1800, least=10),
            retry_wait_s=env.integer("RETRY_WAIT_SECONDS", 10),
            successful_job_s=env.integer("SUCCESSFUL_JOB_SECONDS", 300),
            failed_job_s=env.integer("FAILED_JOB_SECONDS", 86400),
            probe_port=_port(env, "PROBE_PORT", 8080, least=1),
            metrics_port=_port(env, "METRICS_PORT", 0),
            log_level=_log_level(env),
        )


def _placement(env: Environment) -> Placement:
    name = "IMPORTER_PLACEMENT"
    try:
        placement = json.loads(env.text(name, "{}"))
    except ValueError:
        placement = None
    if not isinstance(placement, dict) or not placement.keys() <= _PLACEMENT:
        raise BadSettingError(f"{name} must be a JSON object with none but {', '.join(sorted(_PLACEMENT))}")
    return {field: value for field, value in placement.items() if value}


def _uid(env: Environment, name: str, default: int) -> int | None:
    """Return a user's id; None where the namespace is to say it, as `0` asks."""
    return env.integer(name, default) or None


def _port(env: Environment, name: str, default: int, *, least: int = 0) -> int:
    port = env.integer(name, default, least=least)
    if port > _MAX_PORT:
        raise BadSettingError(f"{name} is {port}; it must be at most {_MAX_PORT}")
    return port


def _one_of(env: Environment, name: str, allowed: tuple[str, ...]) -> str:
    value = env.text(name, allowed[0])
    if value not in allowed:
        raise BadSettingError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")
    return value


def _bytes(env: Environment, name: str, default: str) -> str:
    value = env.text(name, default)
    try:
        quantity.size_bytes(value)
    except ValueError as error:
        raise BadSettingError(f"{name}: {error}") from None
    return value


def _label_value(env: Environment, name: str, default: str) -> str:
    value = env.text(name, default)
    if _LABEL_VALUE.fullmatch(value) is None:
        raise BadSettingError(f"{name} is {value!r}; it must be a valid label value")
    return value


def _log_level(env: Environment) -> str:
    level = env.text("LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise BadSettingError(f"LOG_LEVEL is {level!r}; it must be DEBUG, INFO, WARNING or ERROR")
    return level
