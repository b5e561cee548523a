"""Extremes of every field that the CRD's schema accepts: no import makes the operator raise, whatever its author wrote.

The values are drawn from the schema itself, so a new field is tested without a change here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mediaimport_api.crd import structural
from mediaimport_api.spec import Spec
from mediaimport_api.status import Status
from mediaimport_operator.decide.actions import CreateJob
from mediaimport_operator.decide.limits import Slots, order
from mediaimport_operator.decide.plan import plan
from mediaimport_operator.observe.resource import read
from mediaimport_operator.pods import import_job
from mediaimport_operator.settings.operator import Caps
from mediaimport_runtime.kubernetes.objects import json_bytes, pack, unpack

from tests.support.operator_fakes import Build

if TYPE_CHECKING:
    from mediaimport_api.crd import Schema
    from mediaimport_runtime.kubernetes.objects import Object

MAX_INT64 = 2**63 - 1
MAX_ENVIRONMENT_BYTES = 128 * 1024
BUILD = Build()
many = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))

# The API server stores no half surrogate pairs.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
moments = st.one_of(
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.sampled_from(
        [
            "9999-12-31T23:59:59-01:00",
            "9999-12-31T23:59:59.999999999Z",
            "9000-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+23:59",
            "0000-01-01T00:00:00Z",
            "2030-02-28t23:59:59.1z",
            "2030-01-01T00:00:00+99:99",
        ]
    ),
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INT64, MAX_INT64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Return a strategy for the values that the API server accepts under that schema."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            return objects(schema)
        case "array":
            unique: dict[str, Any] = {"unique_by": json.dumps} if schema.get("x-kubernetes-list-type") else {}
            return st.lists(values(schema["items"]), max_size=min(schema.get("maxItems", 6), 6), **unique)
        case "integer":
            return integers(schema)
        case "string":
            return strings(schema)
        case _:
            return st.booleans()


def objects(schema: Schema) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        deep = st.sampled_from([32, 33, 256, 900]).map(lambda levels: {"deep": nested(levels - 1)})
        return deep | st.dictionaries(texts, json_values, max_size=8)
    required = schema.get("required", [])
    fields = {name: values(each) for name, each in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: each for name, each in fields.items() if name in required},
        optional={name: each for name, each in fields.items() if name not in required},
    )


def integers(schema: Schema) -> st.SearchStrategy[int]:
    least, most = schema.get("minimum", -MAX_INT64), schema.get("maximum", MAX_INT64)
    return st.sampled_from([least, most]) | st.integers(least, most)


def strings(schema: Schema) -> st.SearchStrategy[str]:
    most = schema.get("maxLength", 100)
    if schema.get("format") == "date-time":
        return moments
    if schema.get("format") == "uuid":
        return st.uuids().map(str) | st.uuids().map(lambda each: str(each).upper())
    if "pattern" not in schema:
        long = st.sampled_from(["x", "\U0001f600", "\x00", '"']).map(lambda each: each * most)
        return long | texts.filter(lambda text: schema.get("minLength", 0) <= len(text) <= most)
    pattern: str = schema["pattern"]
    drawn = st.from_regex(pattern, fullmatch=True).filter(lambda text: "\n" not in text and len(text) <= most)
    return drawn | urls(most) if "data:" in schema["pattern"] else drawn


def urls(most: int) -> st.SearchStrategy[str]:
    hosts = st.sampled_from(
        ["[::1", "[v1.x]", "a:99999", "a:0", "@", ":80", "\x01", "[::ffff:1.2.3.4%25eth0]", "ä.example"]
    )
    data = st.sampled_from(["\U0001f600", '"', "\\", "\x01", "x"]).map(lambda each: "data:" + each * (most - 5))
    return data | hosts.map(lambda host: f"https://{host}/video.mp4")


def resource(spec: Object, status: Object | None = None, meta: Object | None = None) -> Object:
    item = BUILD.mediaimport(meta=meta)
    return unpack(pack(item | {"spec": spec, "status": status or {}}))


def reconcile(item: Object) -> None:
    """Plan the import in each of its situations, and make what the plan asks for."""
    owner = read(item)
    assert (owner.spec is None) == (owner.validation_error is not None)
    ended = BUILD.ended_pod(message=BUILD.imported().encode())
    for jobs, pods, slot in (
        ([], [], False),
        ([], [], True),
        ([BUILD.job()], [BUILD.running_pod()], True),
        ([BUILD.job()], [ended], True),
    ):
        decided = plan(BUILD.observed(item, jobs=jobs, pods=pods, slot=slot))
        if decided.status is not None:
            json_bytes(decided.status.to_wire())
        for action in decided.actions:
            if isinstance(action, CreateJob):
                job = import_job.job(owner, BUILD.settings(), attempt=action.attempt, more_memory=action.more_memory)
                (container,) = job["spec"]["template"]["spec"]["containers"]
                assert all(
                    len(str(each.get("value")).encode()) < MAX_ENVIRONMENT_BYTES - 100 for each in container["env"]
                )


@many
@given(values(structural(Spec)))
def test_no_spec_that_the_schema_accepts_makes_the_operator_raise(spec: Object) -> None:
    reconcile(resource(spec))


@many
@given(values(structural(Status)))
def test_no_status_that_the_schema_accepts_makes_the_operator_raise(status: Object) -> None:
    reconcile(resource(BUILD.mediaimport()["spec"], status))


@many
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["a", "a" * 253, "0." * 126 + "0", "-".join("a" * 120)]),
            "labels": st.dictionaries(
                st.sampled_from(["kueue.x-k8s.io/queue-name", "a/b"]), st.sampled_from(["", "A" * 63])
            ),
            "annotations": st.dictionaries(st.sampled_from(["mediaimport.dev/source-fingerprint", "b"]), texts),
            "finalizers": st.lists(st.sampled_from(["mediaimport.dev/stored-objects", "a/b"])),
            "creationTimestamp": moments,
            "deletionTimestamp": moments,
            "generation": st.integers(0, MAX_INT64),
        },
    ),
)
def test_no_metadata_that_the_api_server_accepts_make_the_operator_raise(meta: Object) -> None:
    reconcile(resource(BUILD.mediaimport()["spec"], meta=meta))


@many
@given(st.lists(values(structural(Spec)), max_size=8))
def test_all_imports_can_be_ordered_and_get_their_slots(specs: list[Object]) -> None:
    claims = [read(resource(spec, meta={"uid": f"uid-{number}"})).claim for number, spec in enumerate(specs)]
    sorted(map(order, claims))
    slots = Slots(Caps(1), on_grant=lambda _: None)
    for claim in claims:
        slots.request(claim)
    for claim in claims:
        slots.release(claim.key)
    assert (slots.in_flight, slots.waiting) == (0, 0)
