"""Extras: labels, variables and volumes that an installer adds to the pods of imports. They replace nothing of ours."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mediaimport_runtime.environment import BadSettingError, Environment
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mediaimport_runtime.kubernetes.objects import Object

VARIABLE = "IMPORTER_EXTRAS"
_OURS = re.compile(r"(MEDIAIMPORT|S3|SOURCE|SCRATCH|PROBER)_.*")
"""Variables that the operator sets: the importer's task, its store and its source policy."""
_OUR_VOLUMES = frozenset({"scratch", "prober", "importer-tmp", "prober-tmp", "tmp", "store-ca", "source-headers"})


@dataclass(frozen=True)
class Extras:
    """Labels and annotations for the pod, all else for the importer's container; the prober gets nothing."""

    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    env: tuple[Object, ...] = ()
    env_from: tuple[Object, ...] = ()
    volumes: tuple[Object, ...] = ()
    volume_mounts: tuple[Object, ...] = ()

    @classmethod
    def read(cls, env: Environment) -> Extras:
        """Return the extras in IMPORTER_EXTRAS; BadSettingError if it is not valid."""
        try:
            given = json.loads(env.text(VARIABLE, "{}"))
            extras = cls(**{each.name: _part(given.pop(to_camel(each.name), None), each.name) for each in fields(cls)})
        except (ValueError, TypeError, AttributeError) as error:
            raise BadSettingError(f"{VARIABLE} must be a JSON object of maps and lists of objects: {error}") from None
        if invalid := next(extras._validation_errors(set(given)), None):
            raise BadSettingError(f"{VARIABLE} {invalid}")
        return extras

    def _validation_errors(self, unknown: set[str]) -> Iterator[str]:
        yield from (f"has {each}, which is none of {_keys()}" for each in sorted(unknown))
        names = (str(each.get("name")) for each in self.env)
        yield from (f"sets the variable {each}, which only the operator sets" for each in names if _OURS.match(each))
        volumes = (str(each.get("name")) for each in self.volumes)
        yield from (
            f"has a volume {each}, which is the name of a volume of ours" for each in volumes if each in _OUR_VOLUMES
        )


def _part(given: Any, name: str) -> Any:  # noqa: ANN401 - JSON
    """Return a map of strings or a tuple of objects; ValueError for anything else."""
    if name in {"labels", "annotations"}:
        whole = {} if given is None else given
        if not isinstance(whole, dict) or not all(isinstance(each, str) for each in whole.values()):
            raise ValueError(f"{name} is no map of strings")
        return whole
    items = [] if given is None else given
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise ValueError(f"{to_camel(name)} is no list of objects")
    return tuple(items)


def _keys() -> str:
    return ", ".join(to_camel(each.name) for each in fields(Extras))
