"""Lists with filters, orders and searches: of the cache alone, and of both databases."""

from __future__ import annotations

import base64
import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from mediaimport_webhook.catalogue.database import DatabaseArchive, Recorder
from mediaimport_webhook.catalogue.database.migration import migrate
from mediaimport_webhook.catalogue.entry import entry_of
from mediaimport_webhook.catalogue.query import Query
from mediaimport_webhook.catalogue.words import searchable, searched
from sqlalchemy import event, text

from tests.support.webhook import ALICE, BOB, ROOT
from tests.unit.webhook.catalogue.test_database import (
    finish,
    ready_status,
    remove,
    resource,
    resource_of,
    rows,
    run_in,
    settle,
    start_import,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine

    from tests.support.webhook import Make, RunningWebhook, Start

LIST = "/api/v1/media/"
HOSTILE = [
    "' OR '1'='1",
    "x'; DROP TABLE media_assets; --",
    "%",
    "_",
    "\\",
    '"]',
    "\0",
    "\ufffd",
    "a" * 200,
    "a & b | !c <-> d:*",
    "('",
    "\u202e\u200d",
    "é😀",
    "😀 ' 😀",
]


@pytest.fixture(params=["cache", "sqlite", "postgresql"])
def any_webhook(request: pytest.FixtureRequest, start: Start) -> RunningWebhook:
    """Return a webhook without a database, or with one of each kind."""
    if request.param == "cache":
        return start()
    database = "sqlite" if request.param == "sqlite" else "postgresql"
    make: Callable[[str], str] = request.getfixturevalue("make_catalogue_url")
    return start(CATALOGUE_URL=make(database))


def found(webhook: RunningWebhook, query: str, *, token: str = ALICE) -> list[str]:
    answer = webhook.call("GET", f"{LIST}?{query}", token=token)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["assets"]]


def walked(webhook: RunningWebhook, query: str) -> list[str]:
    """Return the names of all pages."""
    names, place = [], ""
    while True:
        page = webhook.call("GET", f"{LIST}?{query}{place}").json()
        names += [each["name"] for each in page["assets"]]
        if page["next"] is None:
            return names
        place = f"&cursor={page['next']}"


def make_asset(webhook: RunningWebhook, name: str, *, size_bytes: int, created_at: str, sha256: str) -> str:
    """Import an asset of that size and time; where there is a database, its resource goes."""
    asset_id = start_import(webhook, name=name)
    about = resource_of(webhook, asset_id)
    about["metadata"]["creationTimestamp"] = created_at
    status = ready_status(asset_id)
    status["asset"] |= {"sizeBytes": size_bytes, "sha256": sha256}
    if webhook.database is None:
        webhook.run(webhook.cluster.write(about | {"status": status}))
        webhook.until(lambda: webhook.call("GET", f"{LIST}{asset_id}").json()["phase"] == "Ready")
    else:
        finish(webhook, asset_id, status)
    return asset_id


@pytest.fixture
def three(any_webhook: RunningWebhook) -> dict[str, str]:
    """Ids of three assets by name; the resource of the second is gone where a database remembers it."""
    made = {
        name: make_asset(any_webhook, name, size_bytes=size, created_at=f"2026-01-0{day}T12:00:00Z", sha256=digit * 64)
        for name, size, day, digit in (("small", 5, 1, "a"), ("large", 900, 2, "b"), ("medium", 70, 3, "a"))
    }
    if any_webhook.database is not None:
        remove(any_webhook, made["large"])
    return made


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_list_is_in_the_order_asked_for_on_pages_of_any_size(
    any_webhook: RunningWebhook, three: dict[str, str], limit: int
) -> None:
    assert set(three) == {"small", "large", "medium"}
    for sort, names in {
        "newest": ["medium", "large", "small"],
        "oldest": ["small", "large", "medium"],
        "largest": ["large", "medium", "small"],
        "smallest": ["small", "medium", "large"],
    }.items():
        assert walked(any_webhook, f"sort={sort}&limit={limit}") == names, sort
    assert walked(any_webhook, f"limit={limit}") == ["medium", "large", "small"]


def test_filters_of_time_digest_and_ids(any_webhook: RunningWebhook, three: dict[str, str]) -> None:
    for query, names in {
        "created_after=2026-01-02T12:00:00Z": ["medium", "large"],
        "created_after=2026-01-02T12:00:00.000001Z": ["medium"],
        "created_before=2026-01-02T12:00:00Z": ["small"],
        "created_before=2026-01-02T12:00:00.5Z": ["large", "small"],
        "created_after=2026-01-02T13:30:00%2B02:00&created_before=2026-01-03T12:00:00Z": ["large"],
        f"sha256={'a' * 64}": ["medium", "small"],
        f"ids={three['small']},{three['large'].upper()}": ["large", "small"],
        f"ids={three['small']},{three['large']}&sort=smallest&limit=1": ["small"],
        "provider=replicate": [],
        "model=none": [],
    }.items():
        assert found(any_webhook, query) == names, query
    assert walked(any_webhook, f"ids={','.join(three.values())}&limit=1") == ["medium", "large", "small"]
    assert found(any_webhook, f"ids={three['small']}", token=BOB) == []
    assert found(any_webhook, f"sha256={'a' * 64}", token=BOB) == []
    assert found(any_webhook, f"sha256={'b' * 64}", token=ROOT) == ["large"]
    assert found(any_webhook, f"ids={three['small']}&user=bob", token=ROOT) == []


def test_filters_of_generator_and_model(any_webhook: RunningWebhook, prediction: Make) -> None:
    start_import(any_webhook, name="imported")
    any_webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "p"})
    any_webhook.callback(prediction(), path=any_webhook.replicate.callback_path())
    (generated,) = [each["name"] for each in any_webhook.specs() if each["name"] != "imported"]
    assert found(any_webhook, "provider=replicate") == [generated]
    assert found(any_webhook, f"model={quote('wan-video/wan-2.5-t2v', safe='')}") == [generated]
    assert found(any_webhook, "provider=fal") == []


@pytest.mark.parametrize(
    "query",
    [
        "created_after=yesterday",
        "created_after=2026-01-01T00:00:00",
        "created_before=9999-12-31T23:59:59.9Z",
        "created_before=0001-01-01T00:00:00%2B23:00",
        "sha256=abc",
        f"sha256={'A' * 64}",
        "ids=",
        "ids=x",
        "ids=" + ",".join(["0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"] * 101),
        "sort=best",
        "q=",
        "q=%20%2D",
        "q=" + "a" * 201,
        "q=" + "a%20b%20c%20d%20e%20f%20g%20h%20i%20j%20k%20l%20m%20n%20o%20p%20r",
        "q=a&q=b",
    ],
)
def test_wrong_filter_is_422_and_named(webhook: RunningWebhook, query: str) -> None:
    answer = webhook.call("GET", f"{LIST}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "?" + query.partition("=")[0])


def test_cursor_of_another_user_filter_or_order_is_400(any_webhook: RunningWebhook) -> None:
    for _ in range(3):
        start_import(any_webhook)
    cursor = any_webhook.call("GET", f"{LIST}?limit=1&status=uploading").json()["next"]

    def status(query: str, token: str = ALICE) -> int:
        return any_webhook.call("GET", f"{LIST}?cursor={cursor}{query}", token=token).status_code

    assert status("&status=uploading") == 200
    assert status("&status=uploading&limit=2") == 200
    for query in ("", "&status=ready", "&status=uploading&sort=oldest", "&status=uploading&sort=largest"):
        assert status(query) == 400, query
    assert status("&status=uploading", BOB) == 400
    assert status("&status=uploading", ROOT) == 400
    assert status("&status=uploading&user=alice", ROOT) == 400


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: [*parts, "more"],
        lambda parts: parts[:-1],
        lambda parts: [parts[0], -1, *parts[2:]],
        lambda parts: [parts[0], 2**63, *parts[2:]],
        lambda parts: [parts[0], True, *parts[2:]],
        lambda parts: [parts[0], "1", *parts[2:]],
        lambda parts: [parts[0], parts[1], "2026-01-01", *parts[3:]],
        lambda parts: [parts[0], parts[1], "x", *parts[3:]],
        lambda parts: [*parts[:-1], None],
        lambda parts: dict.fromkeys(map(str, parts)),
    ],
)
def test_cursor_that_was_changed_is_400(
    any_webhook: RunningWebhook, three: dict[str, str], change: Callable[[list[Any]], Any]
) -> None:
    assert len(three) == 3
    cursor = any_webhook.call("GET", f"{LIST}?limit=1&sort=largest").json()["next"]
    parts = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(change(parts)).encode()).decode().rstrip("=")
    assert any_webhook.call("GET", f"{LIST}?sort=largest&cursor={changed}").status_code == 400


def test_cursor_with_a_hostile_place_finds_nothing_else(any_webhook: RunningWebhook, three: dict[str, str]) -> None:
    assert len(three) == 3
    cursor = any_webhook.call("GET", f"{LIST}?limit=1").json()["next"]
    bound_to, created_at, *_ = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    for hostile in HOSTILE:
        content = json.dumps([bound_to, created_at, hostile, hostile]).encode()
        changed = base64.urlsafe_b64encode(content).decode().rstrip("=")
        answer = any_webhook.call("GET", f"{LIST}?cursor={changed}")
        assert answer.status_code == 200
        assert len(answer.json()["assets"]) <= 3


def test_search_without_a_database_names_the_setting(webhook: RunningWebhook) -> None:
    answer = webhook.call("GET", f"{LIST}?q=film")
    assert (answer.status_code, answer.json()["setting"]) == (422, "CATALOGUE_URL")
    assert answer.json()["type"].endswith("/catalogue-required")


def test_search_finds_beginnings_of_words_in_name_tags_prompt_and_metadata(
    start: Start, catalogue_url: str, prediction: Make
) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    metadata = {"scene": {"place": ["Zürich\nSee", 4711]}, "flag": True}
    first = start_import(webhook, name="Summer_Film-2.mp4", tags=["Red Car"], metadata=metadata)
    finish(webhook, first, ready_status(first))
    start_import(webhook, name="other")
    webhook.call("POST", "/api/v1/replicate/wan-video-t2v", json={"prompt": "p"})
    made = prediction(input={"prompt": "An owl's nest, 日本の夜"})
    webhook.callback(made, path=webhook.replicate.callback_path())
    settle(webhook)
    (generated,) = [each["name"] for each in webhook.specs() if each["name"] not in {"Summer_Film-2.mp4", "other"}]

    def check() -> None:
        for query in (
            "film",
            "FIL summ",
            "red",
            "car film",
            "zürich",
            "ZÜR",
            "4711",
            "see",
            "2",
            "h264",
            "Film-2.mp4",
        ):
            assert found(webhook, f"q={quote(query)}") == ["Summer_Film-2.mp4"], query
        for query in ("ilm", "red other", "true", "scene", "zzz", "film:*"):
            assert found(webhook, f"q={quote(query)}") == (["Summer_Film-2.mp4"] if query == "film:*" else []), query

    check()
    assert found(webhook, "q=owl") == found(webhook, f"q={quote('日本')}") == [generated]
    assert found(webhook, "q=film", token=BOB) == []
    assert found(webhook, "q=film", token=ROOT) == ["Summer_Film-2.mp4"]
    remove(webhook, first)
    check()
    assert found(webhook, "q=film&status=failed") == []


def test_search_has_pages_and_leaves_out_what_is_being_deleted(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    made = [start_import(webhook, name=f"film {number}") for number in range(5)]
    for each in made:
        finish(webhook, each, ready_status(each))
    remove(webhook, made[1])
    assert sorted(walked(webhook, "q=film&limit=2")) == [f"film {number}" for number in range(5)]
    webhook.call("DELETE", f"{LIST}{made[2]}")
    settle(webhook)
    assert sorted(walked(webhook, "q=film&limit=2&sort=largest")) == ["film 0", "film 1", "film 3", "film 4"]


def test_hostile_search_is_only_a_text(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    start_import(webhook, name="plain")
    settle(webhook)
    for hostile in HOSTILE:
        answer = webhook.call("GET", f"{LIST}?q={quote(hostile)}")
        assert answer.status_code in {200, 422}, hostile
        if answer.status_code == 200:
            assert answer.json()["assets"] == [], hostile
        for name in ("provider", "model"):
            assert found(webhook, f"{name}={quote(hostile)}") == []
    assert found(webhook, "q=plain") == ["plain"]


def test_text_of_every_unicode_class_is_found_again(start: Start, catalogue_url: str) -> None:
    by_class: dict[str, list[str]] = {}
    for point in range(sys.maxunicode + 1):
        by_class.setdefault(unicodedata.category(chr(point)), []).append(chr(point))
    del by_class["Cs"]  # half a surrogate pair is refused before
    samples = {name: each[len(each) // 2] for name, each in by_class.items()}
    webhook = start(CATALOGUE_URL=catalogue_url)
    start_import(webhook, name="all", metadata={name: f"w{each}w" for name, each in samples.items()})
    settle(webhook)
    for name, each in samples.items():
        assert found(webhook, f"q={quote(f'w{each}w')}") == ["all"], name


def test_words_are_bounded_and_equal_however_they_are_written() -> None:
    assert searched("ﬁlm STRASSE x") == searched("FILM straße X") == ("film", "strasse", "x")
    assert searched("e\u0301") == searched("\u00e9")
    long = searchable("n" * 255, [], {"text": "é" * 4000}, None)
    assert [len(each) for each in long.split()] == [64, 64]


def test_rows_of_the_first_version_are_searchable_after_the_migration(start: Start, catalogue_url: str) -> None:
    webhook = start(CATALOGUE_URL=catalogue_url)
    start_import(webhook, name="Old.mp4", tags=["Tagged"], metadata={"place": "Bern", "deep": {"x": "y"}})
    settle(webhook)

    async def downgrade(engine: AsyncEngine) -> None:
        indexes = ["sha256", "size", "status", "model"]
        statements = [f"DROP INDEX media_assets_by_{each}" for each in indexes]
        if engine.dialect.name == "postgresql":
            statements += [f"DROP INDEX media_assets_by_{each}" for each in ("tag", "word")]
        statements += [
            "DROP INDEX media_assets_of_user_by_size",
            "DROP INDEX media_assets_with_resource",
            "ALTER TABLE media_assets DROP COLUMN resource_gone",
            "ALTER TABLE media_assets DROP COLUMN outputs_expected",
            "ALTER TABLE media_assets DROP COLUMN provider_status",
            "ALTER TABLE media_assets DROP COLUMN overlay_revision",
            "ALTER TABLE media_assets DROP COLUMN search_words",
            "UPDATE alembic_version SET version_num = '0001'",
        ]
        async with engine.begin() as connection:
            for each in statements:
                await connection.execute(text(each))

    run_in(catalogue_url, downgrade)
    run_in(catalogue_url, migrate)
    assert rows(catalogue_url, "SELECT count(*) FROM media_assets") == [(1,)]
    for query in ("old", "tagged", "bern"):
        assert found(webhook, f"q={query}") == ["Old.mp4"], query


@pytest.mark.parametrize("few_rows", [0, 3000])
@pytest.mark.parametrize("owner", ["it's", "back\\slash'", "a & b:*", "x" * 253, "", "@alice", "é😀"])
def test_owner_of_any_name_finds_their_own_alone(catalogue_url: str, owner: str, few_rows: int) -> None:
    async def work(engine: AsyncEngine) -> list[list[str]]:
        recorder, archive = Recorder(engine), DatabaseArchive(engine, few_rows=few_rows)
        for name, user in (("own", owner), ("other", owner + "2"), ("alices", "alice")):
            about = resource(name, version=10)
            recorder.note(entry_of(about | {"spec": about["spec"] | {"userId": user, "name": "film.mp4"}}))
        await recorder.flush()
        query = Query(words=("film",))
        pages = [await archive.page(query, user_id=each, limit=9, after=None) for each in (owner, "nobody")]
        return [[each.resource_name for each in page] for page in pages]

    assert run_in(catalogue_url, work) == [["own"], []]


def test_index_of_words_finds_what_reading_the_words_finds(catalogue_url: str) -> None:
    names = ["Red car", "redwood", "a-red", "日本の夜", "straße", "é😀", "100% \\ it's", "no_w\ufffdrd"]
    queries = ["red", "re", "r", "red car", "日本", "strasse", "é", "😀", "100", "it s", "w", "\ufffd", "ed", *HOSTILE]
    searches = [Query(words=words) for words in map(searched_or_none, queries) if words]

    async def work(engine: AsyncEngine) -> list[list[list[str]]]:
        recorder = Recorder(engine)
        for number, name in enumerate(names):
            about = resource(f"film-{number}", version=10)
            recorder.note(entry_of(about | {"spec": about["spec"] | {"userId": "alice", "name": name}}))
        await recorder.flush()
        indexed, read = (DatabaseArchive(engine, few_rows=count) for count in (len(names) - 1, len(names)))
        pages = [
            [await archive.page(each, user_id="alice", limit=9, after=None) for each in searches]
            for archive in (indexed, read)
        ]
        return [[[entry.resource_name for entry in page] for page in of_archive] for of_archive in pages]

    indexed, read = run_in(catalogue_url, work)
    assert indexed == read
    assert [sorted(each) for each in read[:4]] == [
        ["film-0", "film-1", "film-2"],
        ["film-0", "film-1", "film-2"],
        ["film-0", "film-1", "film-2"],
        ["film-0"],
    ]


def searched_or_none(query: str) -> tuple[str, ...] | None:
    try:
        return searched(query)
    except ValueError:
        return None


@pytest.mark.parametrize(("few_rows", "operator"), [(1, "@@"), (2, "LIKE")])
@pytest.mark.parametrize("catalogue_url", ["postgresql"], indirect=True)
def test_words_of_many_rows_are_found_by_their_index(catalogue_url: str, few_rows: int, operator: str) -> None:
    async def work(engine: AsyncEngine) -> list[str]:
        recorder, statements = Recorder(engine), []
        for name in ("first", "second"):
            recorder.note(entry_of(resource(name, version=10)))
        await recorder.flush()
        archive = DatabaseArchive(engine, few_rows=few_rows)
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
        await archive.page(Query(words=("film",)), user_id="alice", limit=9, after=None)
        return statements

    *_, search = run_in(catalogue_url, work)
    assert operator in search
