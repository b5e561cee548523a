from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.crd import Schema, definition
from mediaimport_api.json_depth import MAX_METADATA_DEPTH, depth
from mediaimport_api.sidecar import Owner, Provenance, Sidecar, source_fingerprint
from mediaimport_api.spec import Spec
from mediaimport_api.status import Status
from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://replicate.delivery/x/out.mp4?sig=abc"


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


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
        ("source", {}),
        ("unknown", 1),
    ],
)
def test_a_bad_field_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        Spec.model_validate({"source": {"url": URL}, field: value})


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59Z", "9001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00"]
)
def test_a_time_at_the_end_of_the_calendar_is_refused_by_its_field(moment: str) -> None:
    with pytest.raises(ValidationError, match=r"source.expiresAt\n.*not a time between the years 1 and 9000"):
        Spec.model_validate({"source": {"url": URL, "expiresAt": moment}})


def test_the_year_1_has_four_digits_on_the_wire() -> None:
    spec = Spec.model_validate({"source": {"url": URL, "expiresAt": "0001-01-01T00:00:00Z"}})
    assert spec.to_wire()["source"]["expiresAt"] == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://[::1/video.mp4", "valid host and port"),
        ("https://source.example:99999/video.mp4", "valid host and port"),
        ("https://@/video.mp4", "valid host and port"),
        ("data:" + "\U0001f600" * 65_000, "260005 bytes; at most 65536"),
        ("data:" + '"' * 65_000, "130007 bytes as JSON; at most 98304"),
    ],
)
def test_a_url_that_no_importer_can_be_given_is_refused(url: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Spec.model_validate({"source": {"url": url}})


def test_a_ttl_beyond_a_century_is_refused() -> None:
    with pytest.raises(ValidationError, match="ttlSecondsAfterFinished"):
        Spec.model_validate({"source": {"url": URL}, "ttlSecondsAfterFinished": 2**63 - 1})


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (nested(33), "nested 33 levels deep; at most 32"),
        (nested(300), "nested 300 levels deep"),
        (nested(9000), "nested 9000 levels deep"),
        ({"a": "\ud800"}, "half a surrogate pair"),
    ],
)
def test_metadata_that_cannot_be_written_as_json_are_refused(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Spec.model_validate({"source": {"url": URL}, "metadata": metadata})


def test_metadata_of_the_greatest_depth_are_written_as_json() -> None:
    spec = Spec.model_validate({"source": {"url": URL}, "metadata": nested(MAX_METADATA_DEPTH)})
    assert depth(json.loads(spec.model_dump_json())["metadata"]) == MAX_METADATA_DEPTH


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

    given: dict[str, Any] = {"owner": owner("clip", "u1"), "source_fingerprint": source_fingerprint(URL)}
    mine = Sidecar.model_construct(**given)
    assert mine.belongs_to(owner("clip", "u2"), source_fingerprint(URL))
    assert not mine.belongs_to(owner("other", "u1"), source_fingerprint(URL))
    assert not mine.belongs_to(owner("clip", "u1"), source_fingerprint("https://a.b/c"))


def test_provenance_keeps_free_form_metadata_as_it_is() -> None:
    metadata = {"a": [1, {"ü": None}]}
    assert Provenance(user_id="default", metadata=metadata).metadata == metadata


STORED = "incoming/default/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"


def test_source_may_be_an_object_of_the_store_instead_of_a_url() -> None:
    spec = Spec.model_validate({"source": {"store": {"key": STORED}}})
    assert spec.source.location == f"store:{STORED}"
    assert Spec.model_validate({"source": {"url": URL}}).source.location == URL


@pytest.mark.parametrize("source", [{}, {"url": URL, "store": {"key": STORED}}])
def test_source_is_exactly_one_of_url_and_store(source: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="source needs exactly one of url and store"):
        Spec.model_validate({"source": source})


@pytest.mark.parametrize(
    "key",
    [
        "media/default/x/video.mp4",
        "incoming/",
        "incoming/default",
        "incoming/default/",
        "incoming//x",
        "incoming/default//x",
        "incoming/default/../bob/x",
        "incoming/default/..",
        "incoming/default/a..b",
        "incoming/default/.x",
        "incoming/default/x\n",
        " incoming/default/x",
        "x/incoming/default/x",
        "/incoming/default/x",
        "incoming/default/x?versionId=1",
        "incoming/default/%2e%2e",
    ],
)
def test_object_of_the_store_is_below_incoming_without_detours(key: str) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        Spec.model_validate({"source": {"store": {"key": key}}})


def test_object_of_another_user_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"not below incoming/ and the userId"):
        Spec.model_validate({"source": {"store": {"key": STORED}}, "userId": "def"})


def test_object_of_the_store_needs_no_headers() -> None:
    with pytest.raises(ValidationError, match=r"headersSecretRef is for source\.url"):
        Spec.model_validate({"source": {"store": {"key": STORED}, "headersSecretRef": {"name": "x"}}})
