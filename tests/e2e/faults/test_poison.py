"""Poison among many imports: what the API server accepts and no importer can do fails by itself, and stops nobody.

The pods run on a fake node (kwok), whose importers succeed: every failure here is the operator's own word.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api import names
from mediaimport_runtime.kubernetes.client import Call

from dev.bench.operator import load
from dev.bench.operator.fixture import prepared
from tests.support.kwok.node import fake_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.bench.operator.fixture import Fixture

IMPORTS, POISONED_EVERY, CAP = 1000, 20, 50
NAMESPACE = "operator-poison"
URL = "https://media.example/video.mp4"


def nested(levels: int, kind: type[dict[str, Any] | list[Any]]) -> dict[str, Any]:
    value: dict[str, Any] | list[Any] = kind()
    for _ in range(levels - 1):
        value = {"a": value} if kind is dict else [value]
    return {"a": value}


POISONS: dict[str, tuple[dict[str, Any], str]] = {
    "objects nested 33 deep": ({"metadata": nested(32, dict)}, "nested 33 levels deep"),
    "arrays nested 33 deep": ({"metadata": nested(32, list)}, "nested 33 levels deep"),
    "deeper than a serializer goes": ({"metadata": nested(300, dict)}, "nested 301 levels deep"),
    "deeper than a parser goes": ({"metadata": nested(4000, list)}, "nested 4001 levels deep"),
    "metadata of one long text": ({"metadata": {"a": "x" * 9000}}, "9008 bytes of JSON"),
    "metadata of many keys": ({"metadata": {f"key-{each:03}": "x" * 40 for each in range(256)}}, "bytes of JSON"),
    "a URL that cannot be parsed": ({"source": {"url": "https://[::1/video.mp4"}}, "valid host and port"),
    "a port that does not exist": ({"source": {"url": "https://media.example:99999/a"}}, "valid host and port"),
    "a data: URI of wide characters": ({"source": {"url": "data:," + "\U0001f600" * 60_000}}, "at most 65536"),
    "a data: URI of quotes": ({"source": {"url": "data:," + '"' * 60_000}}, "bytes as JSON"),
}
KINDS = list(POISONS)


@pytest.fixture
def fixture() -> Iterator[Fixture]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)  # this process reads the poisons, too
    try:
        with prepared("poison", cap=CAP) as fixture, fake_node(fixture.kube, log=fixture.log):
            load.fresh_namespace(fixture.kube, NAMESPACE)
            yield fixture
            load.remove_namespace(fixture.kube, NAMESPACE)
    finally:
        sys.setrecursionlimit(before)


def kind_of(number: int) -> str | None:
    """Return the kind of poison of that import; None for a good one."""
    return None if number % POISONED_EVERY else KINDS[number // POISONED_EVERY % len(KINDS)]


def body(number: int) -> dict[str, Any]:
    kind = kind_of(number)
    poison = {} if kind is None else POISONS[kind][0]
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": load.film(number)},
        "spec": {"source": {"url": URL}, "userId": f"user-{number % 10}"} | poison,
    }


def phases(fixture: Fixture) -> Counter[str]:
    template = "{range .items[*]}{.status.phase} {end}"
    return Counter(
        fixture.kube.kubectl("get", "mediaimports", "-o", f"jsonpath={template}", namespace=NAMESPACE).split()
    )


def await_ends(fixture: Fixture, count: int, *, timeout_s: float) -> None:
    """Wait until so many imports have ended, by the API server: metrics miss what a lapse of the Lease cuts off."""
    deadline_s = time.monotonic() + timeout_s
    while (found := phases(fixture))["Ready"] + found["Failed"] < count:
        assert time.monotonic() < deadline_s, f"{dict(found)} after {timeout_s} s"
        time.sleep(2)


def test_poisoned_imports_fail_with_a_sentence_and_all_others_are_ready(fixture: Fixture) -> None:
    operator = fixture.operator(NAMESPACE)
    try:
        operator.await_figure("lease_held", 1, timeout_s=60)
        begun_s = time.monotonic()
        creations = [Call("POST", load.path(NAMESPACE), body=body(number)) for number in range(IMPORTS)]
        load.run(lambda api: load.send(api, creations))
        await_ends(fixture, IMPORTS, timeout_s=1200)
        seconds = time.monotonic() - begun_s
        assert operator.figure("reconcile_total", outcome="error") == 0
        assert operator.process.poll() is None, "the operator has not restarted"
    finally:
        operator.stop()

    resources = {
        each["metadata"]["name"]: each for each in fixture.kube.get("mediaimports", namespace=NAMESPACE)["items"]
    }
    poisoned = IMPORTS // POISONED_EVERY
    found = Counter(each["status"]["phase"] for each in resources.values())
    assert found == {"Ready": IMPORTS - poisoned, "Failed": poisoned}
    for number in range(0, IMPORTS, POISONED_EVERY):
        error = resources[load.film(number)]["status"]["error"]
        kind = kind_of(number)
        assert kind is not None
        assert (error["reason"], POISONS[kind][1] in error["message"]) == ("SpecInvalid", True), (kind, error)
    print(f"{dict(found)} after {seconds:.0f} s")  # noqa: T201 - the figures of the report

    successor = fixture.operator(NAMESPACE)
    try:
        successor.await_figure("imports", IMPORTS, timeout_s=120)
        successor.await_figure("namespace_synced", 1, timeout_s=60)
        assert successor.figure("objects_unreadable_total") == 0
    finally:
        successor.stop()
