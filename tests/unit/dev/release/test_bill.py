from __future__ import annotations

import json
from typing import Any

from dev.release.bill import Inventory, missing, repeatable, validation_error


def component(name: str, version: str, *, kind: str) -> dict[str, Any]:
    purl = f"pkg:{kind}/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def bill(*components: dict[str, Any]) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        "version": 1,
        "metadata": {"timestamp": "2026-01-01T00:00:00Z", "component": {"type": "container", "name": "mediaimport"}},
        "components": list(components),
    }


def test_whole_bill_lacks_nothing() -> None:
    document = bill(component("libc6", "2.41-12", kind="deb"), component("PyYAML", "6.0.3", kind="pypi"))
    assert missing(document, Inventory(debian={"libc6": "2.41-12"}, python={"pyyaml": "6.0.3"})) == []


def test_package_of_another_version_or_kind_is_missing() -> None:
    document = bill(component("libc6", "2.41-11", kind="deb"), component("perl", "5.40", kind="pypi"))
    assert missing(document, Inventory(debian={"libc6": "2.41-12", "perl": "5.40"}, python={})) == [
        "deb libc6 2.41-12",
        "deb perl 5.40",
    ]


def test_bill_of_the_same_image_is_the_same() -> None:
    one, two = component("a", "1", kind="deb"), component("b", "1", kind="deb")
    later = bill(two, one)
    later["serialNumber"] = "urn:uuid:00000000-395b-41f5-a30f-a58921a69b79"
    later["metadata"]["timestamp"] = "2027-01-01T00:00:00Z"
    assert repeatable(later) == repeatable(bill(one, two))


def test_repeatable_bill_fits_the_schema() -> None:
    assert validation_error(json.dumps(repeatable(bill(component("a", "1", kind="deb"))))) is None


def test_violation_of_the_schema_is_reported() -> None:
    wrong = validation_error(json.dumps(bill(component("a", "1", kind="deb")) | {"version": "one"}))
    assert wrong is not None
    assert "CycloneDX 1.6" in wrong
