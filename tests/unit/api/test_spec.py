from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mediaimport_api.crd import Schema, definition
from mediaimport_api.sidecar import Owner, Provenance, Sidecar, source_fingerprint
from mediaimport_api.spec import Spec
from mediaimport_api.status import Status
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://replicate.delivery/x/out.mp4?sig=abc"


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from nodes(each, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def schema_of_version() -> Schema:
    (version,) = definition()["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def test_every_node_of_the_schema_has_a_type_and_no_reference() -> None:
    for path, node in nodes(schema_of_version()):
        assert "type" in node, path
        assert not {"$ref", "anyOf", "allOf", "additionalProperties", "title"} & set(node), path


def test_every_field_of_spec_is_held_still_or_named_as_mutable() -> None:
    spec = schema_of_version()["properties"]["spec"]
    ruled = {rule["fieldPath"][1:] for rule in spec["x-kubernetes-validations"] if "oldSelf" in rule["rule"]}
    free = set(spec["properties"]) - ruled
    assert free == {"suspend", "run", "deletionPolicy", "ttlSecondsAfterFinished"}


def test_no_property_is_a_boolean_in_yaml() -> None:
    names = {path.rpartition(".")[2].rstrip("[]") for path, _ in nodes(schema_of_version())}
    assert not names & {"y", "n", "yes", "no", "on", "off"}


def test_a_spec_needs_a_source_and_nothing_else() -> None:
    spec = Spec.model_validate({"source": {"url": URL}})
    assert (spec.type, spec.user_id, spec.limits.attempts, spec.thumbnail.width_pixels) == ("auto", "default", 4, 320)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("userId", "Alice"),
        ("userId", "../x"),
        ("userId", "a" * 64),
        ("tags", [""]),
        ("assetId", "not-a-uuid"),
        ("type", "text"),
        ("ttlSecondsAfterFinished", 7199),
        ("expected", {"sha256": "xyz"}),
        ("limits", {"attempts": 0}),
        ("source", {"url": "file:///etc/passwd"}),
        ("source", {"url": "https://"}),
        ("unknown", 1),
    ],
)
def test_a_bad_field_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        Spec.model_validate({"source": {"url": URL}, field: value})


def test_a_status_of_a_later_version_is_read() -> None:
    assert Status.model_validate({"phase": "Ready", "later": {}}).phase == "Ready"


def test_an_empty_status_is_nothing_on_the_wire() -> None:
    assert Status().to_wire() == {}


def test_the_fingerprint_of_a_source_tells_queries_apart_and_gives_none_away() -> None:
    assert source_fingerprint(URL) != source_fingerprint(URL + "d")
    assert "abc" not in source_fingerprint(URL)


def test_a_reinstalled_resource_finds_its_own_asset_and_no_other() -> None:
    def owner(name: str, uid: str) -> Owner:
        return Owner(namespace="media", name=name, uid=uid)

    mine = Sidecar.model_construct(owner=owner("clip", "u1"), source_fingerprint=source_fingerprint(URL))
    assert mine.belongs_to(owner("clip", "u2"), source_fingerprint(URL))
    assert not mine.belongs_to(owner("other", "u1"), source_fingerprint(URL))
    assert not mine.belongs_to(owner("clip", "u1"), source_fingerprint("https://a.b/c"))


def test_provenance_keeps_free_form_metadata_as_it_is() -> None:
    metadata = {"a": [1, {"ü": None}]}
    assert Provenance(user_id="default", metadata=metadata).metadata == metadata
