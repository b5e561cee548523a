"""`make bench-catalogue`: one worker of the webhook and PostgreSQL with 1,000,000 assets of 1,000 users, on loopback.

1,000 more imports are under way. Each list is asked for by users at random, one request after the other, and next to it
the same SELECT without the webhook. CATALOGUE_ROWS and CATALOGUE_REQUESTS take other sizes.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
from mediaimport_webhook.catalogue.database import DatabaseArchive, opened
from mediaimport_webhook.catalogue.database.migration import migrate
from mediaimport_webhook.catalogue.query import parse_query
from mediaimport_webhook.settings import CatalogueUrl
from psycopg.types.json import Jsonb
from sqlalchemy import make_url

from dev.bench import longest_turn
from dev.bench.figures import Bar, Figure, Sheet, report
from dev.bench.webhook.apiserver import running_apiserver
from dev.bench.webhook.catalogue_rows import load
from dev.bench.webhook.reads import LONGEST_TURN, MODULE, resources, wrk
from dev.cluster.cache import Cache
from dev.cluster.programs import debian
from tests.support.postgres import postgres
from tests.support.webhook_process import TOKEN, running_webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.webhook_process import WebhookProcess

ROWS = int(os.environ.get("CATALOGUE_ROWS", "1000000"))
REQUESTS = int(os.environ.get("CATALOGUE_REQUESTS", "200"))
USERS = 1000
UNFINISHED = 1000
"""Imports under way, whose resources are in the cluster."""
_LIST_MS, _SEARCH_MS, _FACTOR = 20.0, 100.0, 3.0
_LISTS = {
    "no filter": "",
    "status=failed": "status=failed",
    "type=image": "type=image",
    "tag": "tag=tag7",
    "provider": "provider=replicate",
    "model": "model=owner/model-7",
    "job_id": "job_id=pred77",
    "sha256": "sha256=" + "0" * 64,
    "created_after": "created_after=2025-06-01T00:00:00Z",
    "created_before": "created_before=2025-06-01T00:00:00Z",
    "sort=largest": "sort=largest",
    "sort=oldest": "sort=oldest",
}
_SEARCHES = {"a frequent word": "q=film", "two words": "q=w3 w40", "a rare word": "q=w4900", "no such word": "q=zzz"}


def main() -> Sheet:
    """Measure and report."""
    if shutil.which("wrk") is None:
        debian.install(Cache.of(os.environ), ["wrk"])
    with ExitStack() as stack:
        server = stack.enter_context(postgres())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-catalogue-")))
        url = server.create_database()
        asyncio.run(_migrated(url))
        load(url, rows=ROWS, users=USERS)
        kubeconfig = stack.enter_context(running_apiserver(folder, list(resources(UNFINISHED))))
        tokens = folder / "users.json"
        grants: list[dict[str, str]] = [{"token": _token(each), "user": each} for each in map(_user, range(USERS))]
        tokens.write_text(json.dumps([*grants, {"token": TOKEN, "user": "default"}, _ROOT]))
        variables = {
            "NAMESPACE": "bench", "S3_BUCKET_NAME": "media", "KUBECONFIG": str(kubeconfig), "CATALOGUE_URL": url,
            "S3_ACCESS_KEY_ID": "bench", "S3_SECRET_ACCESS_KEY": "bench-secret", "AUTH_TOKENS_FILE": str(tokens),
            "RATE_LIMIT_PER_SECOND": "0", longest_turn.VARIABLE: str(folder / LONGEST_TURN),
        }  # fmt: skip
        webhook = stack.enter_context(running_webhook(folder, variables, module=MODULE))
        figures = list(_measured(webhook, url, server.query(_IDS, url=url).splitlines()))
    return report("catalogue", figures, form={"rows": ROWS, "users": USERS, "requests": REQUESTS})


_ROOT = {"token": "root-token-0123456789", "user": "root", "role": "admin"}
_IDS = "SELECT id FROM media_assets WHERE user_id = 'default' AND status = 'ready'"


def _measured(webhook: WebhookProcess, url: str, ids: list[str]) -> Iterator[Figure]:
    with psycopg.connect(url, autocommit=True) as connection:
        for name, query in (*_LISTS.items(), *_SEARCHES.items()):
            kind = "search" if query.startswith("q=") else "list of 50"
            bar_ms = _SEARCH_MS if kind == "search" else _LIST_MS
            for scope, user in (("", None), (" as an admin", "root")):
                bare = _p99_ms(_bare(connection, query, user))
                asked = _p99_ms(_requests(webhook, query, user))
                yield Figure(f"{kind}{scope}, {name}, p99", asked, "ms", round(bare, 2), Bar(bar_ms))
                if not scope and kind != "search":
                    yield Figure("the same by the bare query", asked / bare, "", 1, Bar(_FACTOR))
    one = wrk(webhook, [f"/api/v1/media/{each}" for each in ids])
    yield Figure("GET media/{id} of removed imports", one.per_s, "/s", None, Bar(1500, at_most=False))
    yield Figure("the same, processor time of one", one.cpu_us, "us")
    yield Figure("errors of these", one.errors, "", 0, Bar(0))
    yield Figure(f"memory with {ROWS} assets, {UNFINISHED} of them unfinished", webhook.memory_mb, "MB", None, Bar(150))


def _requests(webhook: WebhookProcess, query: str, user: str | None) -> Callable[[], float]:
    """Return a request of a user at random, or of that admin, that returns its milliseconds."""
    connection = http.client.HTTPConnection(urlsplit(webhook.url).netloc, timeout=60)
    path = "/api/v1/media/?limit=50&" + query.replace(" ", "%20")

    def request() -> float:
        token = _ROOT["token"] if user else _token(_user(random.randrange(USERS)))  # noqa: S311 - a load
        begun = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
        spent_ms = (time.perf_counter() - begun) * 1000
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        return spent_ms

    return request


def _bare(connection: psycopg.Connection[Any], query: str, user: str | None) -> Callable[[], float]:
    """Return the same SELECT, which returns its milliseconds, rows included."""
    parsed = parse_query(parse_qsl(query), caller="")
    dialect = make_url("postgresql+psycopg://").get_dialect()()

    def select() -> float:
        user_id = None if user else _user(random.randrange(USERS))  # noqa: S311 - a load
        statement = _ARCHIVE.statement(parsed, user_id=user_id, limit=51, after=None, few=not user)
        compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        given = compiled.construct_params()
        values = {name: Jsonb(each) if isinstance(each, list) else each for name, each in given.items()}
        begun = time.perf_counter()
        connection.execute(str(compiled), values).fetchall()
        return (time.perf_counter() - begun) * 1000

    return select


class _Engine:
    """Engine of no connection: a statement needs only the name of its dialect."""

    dialect = make_url("postgresql+psycopg://").get_dialect()()

    def execution_options(self, **_: object) -> _Engine:
        return self


_ARCHIVE = DatabaseArchive(_Engine())  # type: ignore[arg-type]  # statements alone are asked for


def _p99_ms(measured: Callable[[], float]) -> float:
    for _ in range(10):
        measured()
    spent = sorted(measured() for _ in range(REQUESTS))
    return spent[int(len(spent) * 0.99)]


def _user(number: int) -> str:
    return f"user-{number}" if number else "default"


def _token(user: str) -> str:
    return TOKEN if user == "default" else f"token-of-{user}-0123456789"


async def _migrated(url: str) -> None:
    async with opened(CatalogueUrl(url, None)) as engine:
        await migrate(engine)
