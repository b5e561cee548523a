"""Bill of materials as JSON: made repeatable, validated, compared with an inventory. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

if TYPE_CHECKING:
    from collections.abc import Mapping

Bill = dict[str, Any]
_VERSION = SchemaVersion.V1_6


@dataclass(frozen=True)
class Inventory:
    """Names and versions of what is in an image, by those who installed it."""

    debian: Mapping[str, str]
    python: Mapping[str, str]


def repeatable(bill: Bill) -> Bill:
    """Return it without the random number and the time of its making, in order: the same image, the same bill."""
    about = {key: value for key, value in bill["metadata"].items() if key != "timestamp"}
    components = sorted(bill["components"], key=lambda each: str(each["bom-ref"]))
    kept = {key: value for key, value in bill.items() if key != "serialNumber"}
    return kept | {"metadata": about, "components": components}


def validation_error(text: str) -> str | None:
    """Return the violation of CycloneDX's schema, None for a valid document."""
    error = JsonStrictValidator(_VERSION).validate_str(text)
    return None if error is None else f"not valid CycloneDX {_VERSION.to_version()}: {error}"


def missing(bill: Bill, inventory: Inventory) -> list[str]:
    """Return what is in the image and not in the bill."""
    listed = {_listed(component) for component in bill["components"]}
    there = {f"deb {name} {version}" for name, version in inventory.debian.items()}
    there |= {f"pypi {_plain(name)} {version}" for name, version in inventory.python.items()}
    return sorted(there - listed)


def _listed(component: Bill) -> str:
    kind = str(component.get("purl", "")).removeprefix("pkg:").partition("/")[0]
    name = _plain(component["name"]) if kind == "pypi" else component["name"]
    return f"{kind} {name} {component.get('version', '')}"


def _plain(name: str) -> str:
    """Return the name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()
