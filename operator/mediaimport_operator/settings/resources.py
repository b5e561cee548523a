"""Resource requests and limits of the two containers of an import's pod, as Kubernetes' `resources`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.kubernetes import quantity

if TYPE_CHECKING:
    from mediaimport_runtime.environment import Environment
    from mediaimport_runtime.kubernetes.objects import Object

Quantities = dict[str, str]
_MEMORY = "memory"
_KEYS = ("requests", "limits")


@dataclass(frozen=True)
class Resources:
    """Requests and limits. There is a memory limit: the prober divides it among its tools."""

    requests: Quantities
    limits: Quantities

    @classmethod
    def read(cls, env: Environment, name: str, *, default: Resources) -> Resources:
        """Return the JSON object of a variable; BadSettingError names it."""
        text = env.optional(name)
        if text is None:
            return default
        try:
            given = json.loads(text)
            parts = {key: _quantities(given.pop(key, None) or {}) for key in _KEYS}
            size = quantity.size_bytes(parts["limits"][_MEMORY])
            requested = quantity.size_bytes(parts["requests"].get(_MEMORY, "0"))
        except KeyError:
            raise BadSettingError(f"{name} has no limits.memory; set it, such as 1Gi") from None
        except (ValueError, AttributeError, TypeError) as error:
            raise BadSettingError(f"{name} must be a JSON object of requests and limits: {error}") from None
        if given:
            raise BadSettingError(f"{name} has {', '.join(sorted(given))}; it may have {' and '.join(_KEYS)}")
        if requested > size:
            parts["requests"][_MEMORY] = parts["limits"][_MEMORY]
        return cls(**parts)

    def with_more_memory(self) -> Resources:
        """Return twice the memory limit; a request of all the memory stays one."""
        limit = quantity.times(self.limits[_MEMORY], 2)
        doubled = {_MEMORY: limit} if self.requests.get(_MEMORY) == self.limits[_MEMORY] else {}
        return Resources(requests=self.requests | doubled, limits=self.limits | {_MEMORY: limit})

    def manifest(self, *, disk_request: str, disk_limit: str) -> Object:
        """Return the container's `resources`; a disk request of its own counts before `disk_request`."""
        disk = "ephemeral-storage"
        return {
            "requests": {disk: disk_request} | self.requests,
            "limits": self.limits | {disk: disk_limit},
        }


def _quantities(given: dict[str, object]) -> Quantities:
    """Return quantities as texts: YAML has `cpu: 2` as a number."""
    wrong = [key for key, value in given.items() if not isinstance(value, str | int | float)]
    if wrong:
        raise ValueError(f"{wrong[0]} is no quantity")
    return {key: str(value) for key, value in given.items()}
