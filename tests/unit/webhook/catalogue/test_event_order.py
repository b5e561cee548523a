"""The catalogue equals the cluster, however lists, watches, expiries and answers to own writes follow each other."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st
from mediaimport_runtime.kubernetes.answers import Change, Page
from mediaimport_runtime.kubernetes.errors import ExpiredError, UnavailableError
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.catalogue.reflector import Reflector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = ("a", "b")
Resource = dict[str, Any]
writes = st.tuples(st.sampled_from(["write", "delete"]), st.sampled_from(NAMES))
own_writes = st.tuples(st.sampled_from(["answer", "late answer"]), st.sampled_from(NAMES))
breaks = st.tuples(st.sampled_from(["end", "expire", "fail", "bookmark", "pause"]), st.just(""))


@dataclass
class Script:
    """API server that goes through its steps while it is watched: each step changes it, or what the watch does."""

    steps: list[tuple[str, str]]
    catalogue: Catalogue
    version: int = 1
    held: dict[str, Resource] = field(default_factory=dict)
    history: list[Change] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def list_imports(self, *, limit: int, after: str = "") -> Page:
        assert (limit > 0, after) == (True, "")
        return Page(copy.deepcopy(list(self.held.values())), str(self.version))

    async def watch_imports(self, version: str) -> AsyncIterator[Change]:
        position = int(version)
        while True:
            for change in [each for each in self.history if number(each.resource) > position]:
                yield copy.deepcopy(change)
                position = number(change.resource)
                await asyncio.sleep(0)
            if not self.steps:
                self.done.set()
                await asyncio.Event().wait()
            step, name = self.steps.pop(0)
            self.change(step, name)
            match step:
                case "end":
                    return
                case "expire":
                    raise ExpiredError("gone")
                case "fail":
                    raise UnavailableError("down")
                case "bookmark":
                    yield Change("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})
                    position = self.version
                case _:
                    await asyncio.sleep(0)

    def change(self, step: str, name: str) -> None:
        if step in {"write", "answer"}:
            self.version += 1
            kind: Literal["ADDED", "MODIFIED"] = "MODIFIED" if name in self.held else "ADDED"
            self.held[name] = resource(name, self.version, uid=self.held.get(name))
            self.history.append(Change(kind, self.held[name]))
            if step == "answer":  # the response to a write of our own is there before the watch's event
                self.catalogue.insert(copy.deepcopy(self.held[name]))
        elif step == "late answer":  # perhaps the watch has told of its deletion since
            written = [each for each in self.history if each.kind != "DELETED" and named(each.resource) == name]
            if written:
                self.catalogue.insert(copy.deepcopy(written[-1].resource))
        elif step == "delete" and name in self.held:
            self.version += 1
            gone = self.held.pop(name)
            self.history.append(Change("DELETED", resource(name, self.version, uid=gone)))


def resource(name: str, version: int, *, uid: Resource | None) -> Resource:
    about = {
        "name": name,
        "uid": uid["metadata"]["uid"] if uid else f"uid-{name}-{version}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": about, "spec": {"source": {"url": "https://example.com/a.mp4"}, "userId": "alice"}}


def named(item: Resource) -> str:
    return str(item["metadata"]["name"])


def number(item: Resource) -> int:
    return int(item["metadata"]["resourceVersion"])


async def versions_after(steps: list[tuple[str, str]]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the versions of the cluster's resources and of the catalogue's entries in the end."""
    catalogue = Catalogue()
    cluster = Script(list(steps), catalogue)
    reflecting = asyncio.create_task(Reflector(cluster, catalogue, first_backoff_s=0).run())  # type: ignore[arg-type] # it lists and watches
    async with asyncio.timeout(5):
        await cluster.done.wait()
    reflecting.cancel()
    entries = {each.resource_name: each.version for each in catalogue.entries_of(None)}
    return {name: number(item) for name, item in cluster.held.items()}, entries


@settings(max_examples=200)
@example([("write", "a"), ("delete", "a"), ("pause", ""), ("late answer", "a")])
@given(st.lists(writes | own_writes | breaks, max_size=25))
def test_catalogue_equals_the_cluster_after_any_order_of_events(steps: list[tuple[str, str]]) -> None:
    held, entries = asyncio.run(versions_after(steps))
    assert entries == held


@given(st.lists(writes, min_size=1, max_size=12), st.data())
def test_events_that_a_new_watch_repeats_change_nothing(steps: list[tuple[str, str]], data: st.DataObject) -> None:
    catalogue = Catalogue()
    cluster = Script([], catalogue)
    for step, name in steps:
        cluster.change(step, name)
    repeated = cluster.history[data.draw(st.integers(0, len(cluster.history))) :]
    for change in [*cluster.history, *repeated]:
        (catalogue.forget if change.kind == "DELETED" else catalogue.observe)(copy.deepcopy(change.resource))
    held = {name: number(item) for name, item in cluster.held.items()}
    assert {each.resource_name: each.version for each in catalogue.entries_of(None)} == held
