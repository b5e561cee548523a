"""Settings of the importers' pods: images, resources, identity, placement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.kubernetes import quantity

from mediaimport_operator.settings.extras import Extras
from mediaimport_operator.settings.resources import Resources

_PLACEMENT = frozenset({
    *("nodeSelector", "tolerations", "affinity", "priorityClassName", "topologySpreadConstraints", "runtimeClassName"),
    *("dnsConfig", "dnsPolicy", "hostAliases"),
})  # fmt: skip
_IMPORTER = Resources({"cpu": "100m", "memory": "256Mi"}, {"memory": "256Mi"})
_PROBER = Resources({"cpu": "100m", "memory": "128Mi"}, {"memory": "1Gi"})
_PULL_POLICIES = ("IfNotPresent", "Always", "Never")

Placement = dict[str, Any]
"""Fields of a pod's spec that say which nodes it may run on, under which runtime, and how it resolves names."""


@dataclass(frozen=True)
class ImporterSettings:
    """The parts of every importer's pod. Quantities are Kubernetes'."""

    image: str
    prober_image: str
    pull_policy: str
    prober_pull_policy: str
    pull_secrets: tuple[str, ...]
    service_account: str | None
    config_map: str | None
    store_secret: str | None
    store_ca_config_map: str | None
    resources: Resources
    prober_resources: Resources
    scratch_size: str
    placement: Placement
    extras: Extras
    uid: int | None
    prober_uid: int | None
    """None leaves the user to the namespace, as OpenShift does."""

    @classmethod
    def read(cls, env: Environment) -> ImporterSettings:
        """Return the settings; BadSettingError names the variable that is missing or wrong."""
        return cls(
            image=env.text("IMPORTER_IMAGE"),
            prober_image=env.text("PROBER_IMAGE"),
            pull_policy=_one_of(env, "IMAGE_PULL_POLICY", _PULL_POLICIES),
            prober_pull_policy=_one_of(env, "PROBER_IMAGE_PULL_POLICY", _PULL_POLICIES),
            pull_secrets=env.words("IMAGE_PULL_SECRETS"),
            service_account=env.optional("IMPORTER_SERVICE_ACCOUNT"),
            config_map=env.optional("IMPORTER_CONFIG_MAP"),
            store_secret=env.optional("S3_SECRET_NAME"),
            store_ca_config_map=env.optional("S3_CA_CONFIG_MAP"),
            resources=Resources.read(env, "IMPORTER_RESOURCES", default=_IMPORTER),
            prober_resources=Resources.read(env, "PROBER_RESOURCES", default=_PROBER),
            scratch_size=_bytes(env, "SCRATCH_SIZE", "10Gi"),
            placement=_placement(env),
            extras=Extras.read(env),
            uid=_uid(env, "IMPORTER_UID", 65532),
            prober_uid=_uid(env, "PROBER_UID", 65533),
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
    """Return a user's id; None for `0`, which leaves it to the namespace."""
    return env.integer(name, default) or None


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
