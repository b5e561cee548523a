"""Assets as lists show them: the JSON of before, while the entry and its URLs are the same."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mediaimport_webhook.catalogue.entry import Entry, entry_of
from mediaimport_webhook.catalogue.presenter import Presenter
from mediaimport_webhook.store import SignedUrl

from tests.support.webhook import ASSET_ID
from tests.unit.webhook.catalogue.test_database import ready_status, resource


class Signer:
    """Numbers its URLs. Another one of the original is signed after twenty minutes, of the thumbnail after ten."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.count = 0

    def clock(self) -> datetime:
        return self.now

    def signed_before(self, *_: object, **__: object) -> None:
        pass

    async def url(self, key: str, **_: object) -> SignedUrl:
        self.count += 1
        life = timedelta(minutes=10 if key.endswith("thumbnail.jpg") else 20)
        return SignedUrl(f"https://cdn.test/{self.count}", self.now + 2 * life, renewed_at=self.now + life)


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def presenter(signer: Signer) -> Presenter:
    return Presenter(signer, signer.clock)


def ready(name: str = "a") -> Entry:
    return entry_of(resource(name, status=ready_status(ASSET_ID)))


def shown(presenter: Presenter, entry: Entry) -> dict[str, Any]:
    (encoded,) = asyncio.run(presenter.encode([entry]))
    asset: dict[str, Any] = json.loads(encoded.json)
    return asset


def test_text_is_the_json_of_the_asset(signer: Signer, presenter: Presenter) -> None:
    entry = ready()
    expected = entry.json | {"url": "https://cdn.test/1", "thumbnail_url": "https://cdn.test/2"}
    assert shown(presenter, entry) == expected | {"expires_at": "2026-01-01T00:20:00Z"}
    signer.count = 0
    assert asyncio.run(presenter.present(entry)) == shown(presenter, entry)


def test_text_is_kept_until_the_first_of_its_urls_is_renewed(signer: Signer, presenter: Presenter) -> None:
    entry = ready()
    first = shown(presenter, entry)
    signer.now += timedelta(minutes=10, seconds=-1)
    assert (shown(presenter, entry), signer.count) == (first, 2)
    signer.now += timedelta(seconds=1)
    assert shown(presenter, entry)["thumbnail_url"] == "https://cdn.test/4"


def test_another_version_is_shown_as_it_is(presenter: Presenter) -> None:
    entry = ready()
    shown(presenter, entry)
    edited = replace(entry, json={**entry.json, "name": "edited"})
    assert [shown(presenter, each)["name"] for each in (edited, entry)] == ["edited", "a"]


def test_asset_without_urls_is_kept(presenter: Presenter) -> None:
    entry = entry_of(resource())
    texts = [asyncio.run(presenter.encode([entry])) for _ in range(2)]
    assert texts[0][0] is texts[1][0]


def test_texts_that_differ_have_digests_that_differ(signer: Signer, presenter: Presenter) -> None:
    entry = ready()
    digests = []
    for _ in range(3):
        digests += [each.digest for each in asyncio.run(presenter.encode([entry, entry]))]
        signer.now += timedelta(minutes=5)
    # Its URLs are renewed after ten minutes.
    assert len(set(digests[:4])) == 1
    assert len(set(digests)) == 2


def test_those_shown_last_are_kept(signer: Signer) -> None:
    presenter = Presenter(signer, signer.clock, max_kept=2)
    a, b, c = (ready(name) for name in "abc")
    for each in (a, b, a, c):
        shown(presenter, each)
    assert signer.count == 6
    for each in (a, c):
        shown(presenter, each)
    assert signer.count == 6
    shown(presenter, b)
    assert signer.count == 8
