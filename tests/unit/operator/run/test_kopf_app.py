from __future__ import annotations

import math
from typing import TYPE_CHECKING

import kopf
import pytest
from mediaimport_api import __version__
from mediaimport_operator.run.kopf_app import NoMemories, NullDiffBaseStorage, kopf_settings
from mediaimport_operator.run.kopf_session import AnswerGuard, open_session
from mediaimport_operator.run.watch_silence import WatchSilence

if TYPE_CHECKING:
    from tests.support.operator_fakes import Build


def test_null_storage_copies_and_stores_nothing() -> None:
    storage, body = NullDiffBaseStorage(), kopf.Body({"spec": {"url": "x"}, "metadata": {"labels": {"a": "b"}}})
    patch = kopf.Patch()
    storage.store(body=body, patch=patch, essence=storage.build(body=body))
    assert (dict(storage.build(body=body)), storage.fetch(body=body), dict(patch)) == ({}, None, {})


def test_kopf_watches_only_our_jobs_and_pods_and_writes_nothing(build: Build) -> None:
    options = kopf_settings(build.settings())
    selected = {str(kind): labels for kind, labels in options.watching.label_selectors.items()}
    assert len(selected) == 2
    assert all("mediaimport.dev/instance=mediaimport" in labels for labels in selected.values())
    assert (options.posting.enabled, options.scanning.disabled, options.peering.standalone) == (False, True, True)
    assert options.watching.inactivity_timeout == math.inf, "an armed limit of kopf's cancels the watch after it"


def nothing(*_: object, **__: object) -> None:
    pass


@pytest.mark.anyio
async def test_watches_name_the_operator_as_their_user_agent() -> None:
    guard = AnswerGuard(
        {}, silence=WatchSilence(), on_request=nothing, on_left_out=nothing, on_page_size=nothing, most=1
    )
    async with open_session(kopf.ConnectionInfo(server="https://api.example", token="t"), guard) as opened:
        assert opened.headers["User-Agent"] == f"mediaimport-operator/{__version__}"
        assert opened.headers["Authorization"] == "Bearer t"
        assert opened.connector is not None
        assert opened.connector.limit == 0, "a watch that waits for a connection counts as lost"


@pytest.mark.anyio
async def test_kopf_keeps_nothing_of_an_object_after_its_event() -> None:
    memories = NoMemories()
    await memories.recall({"metadata": {"uid": "one"}}, noticed_by_listing=True)
    assert list(memories.iter_all_memories()) == []
