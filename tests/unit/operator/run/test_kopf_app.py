from __future__ import annotations

from typing import TYPE_CHECKING

import kopf
import pytest
from mediaimport_api import __version__
from mediaimport_operator.run.kopf_app import NullDiffBaseStorage, _session, kopf_settings

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


@pytest.mark.anyio
async def test_watches_name_the_operator_as_their_user_agent() -> None:
    session = _session(kopf.ConnectionInfo(server="https://api.example", token="t"), lambda **_: None)
    async with session.aiohttp_session as opened:
        assert opened.headers["User-Agent"] == f"mediaimport-operator/{__version__}"
        assert opened.headers["Authorization"] == "Bearer t"
