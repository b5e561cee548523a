"""Fixtures of the webhook's tests."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.postgres import Postgres, postgres
from tests.support.webhook import ALICE, BOB, MODELS, OWNER_KEY, ROOT, SECRET, Make, RunningWebhook, Start, migrated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    tokens, models = tmp_path / "tokens.json", tmp_path / "models.json"
    grants = [
        {"token": ALICE, "user": "alice"},
        {"sha256": hashlib.sha256(BOB.encode()).hexdigest(), "user": "bob"},
        {"token": ROOT, "user": "root", "role": "admin"},
    ]
    tokens.write_text(json.dumps(grants))
    models.write_text(json.dumps(MODELS))
    return {
        "NAMESPACE": "media",
        "S3_BUCKET_NAME": "media",
        "AUTH_TOKENS_FILE": str(tokens),
        "REPLICATE_API_TOKEN": "r8_token",
        "REPLICATE_WEBHOOK_SECRETS": SECRET,
        "REPLICATE_MODELS_FILE": str(models),
        "OWNER_TOKEN_KEYS": OWNER_KEY,
        "PUBLIC_BASE_URL": "https://media.test/",
    }


@pytest.fixture
def start(variables: dict[str, str]) -> Iterator[Start]:
    """Return a starter of webhooks; a variable set to None is left out, `replica_of` makes a second replica."""
    running: list[RunningWebhook] = []

    def starter(*, replica_of: RunningWebhook | None = None, **changes: str | None) -> RunningWebhook:
        chosen = {name: value for name, value in (variables | changes).items() if value is not None}
        running.append(RunningWebhook(chosen, replica_of=replica_of))
        return running[-1]

    yield starter
    for each in reversed(running):
        each.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    """Return a real server; a test that stops it starts it again."""
    with postgres() as server:
        yield server


@pytest.fixture
def make_catalogue_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Return a maker of migrated databases, of the kind that is named; it returns the URL."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path / 'catalogue.db'}"
        else:
            server: Postgres = request.getfixturevalue("postgresql")
            url = server.create_database()
        asyncio.run(migrated(url))
        return url

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def catalogue_url(request: pytest.FixtureRequest, make_catalogue_url: Callable[[str], str]) -> str:
    """Return the URL of a migrated database, of either kind."""
    return make_catalogue_url(request.param)


@pytest.fixture
def webhook(start: Start) -> RunningWebhook:
    return start()


@pytest.fixture
def prediction() -> Make:
    """Return a maker of prediction objects as Replicate sends them."""

    def make(**changes: object) -> dict[str, Any]:
        return {
            "id": "pred1",
            "model": "wan-video/wan-2.5-t2v",
            "version": "hidden",
            "status": "succeeded",
            "input": {"image": "https://user.test/own.png", "prompt": "a rabbit"},
            "output": "https://replicate.delivery/xezq/abc/output.mp4",
            "error": None,
            "logs": "",
            "created_at": "2026-01-01T00:00:00.000Z",
            "completed_at": "2026-01-01T00:01:00.123Z",
            "urls": {"get": "https://api.replicate.com/v1/predictions/pred1"},
        } | changes

    return make
