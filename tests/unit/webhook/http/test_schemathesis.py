"""The webhook as a process, tested by schemathesis against its OpenAPI document, with an API server in memory."""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.schemathesis_run import schemathesis_run
from tests.support.webhook import MODELS, OWNER_KEY, migrated
from tests.support.webhook_process import TOKEN, WebhookProcess, running_webhook
from tests.support.webhook_surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "30"))
UPLOADS = "/media/uploads"
BATCH = "/media/import-from-urls"
MODELS_LIST = "/api/v1/models"
"""It has no links, and would only take examples from those that do."""
VARIABLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|pred[0-9]+|wan-video-t2v")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WebhookProcess]:
    models = tmp_path / "models.json"
    models.write_text(json.dumps(MODELS))
    own = {"OWNER_TOKEN_KEYS": OWNER_KEY, "PUBLIC_BASE_URL": "https://media.test", "REPLICATE_MODELS_FILE": str(models)}
    own["CATALOGUE_URL"] = f"sqlite:///{tmp_path / 'catalogue.db'}"
    asyncio.run(migrated(own["CATALOGUE_URL"]))
    with Surroundings(tmp_path).running() as around, running_webhook(tmp_path, around.variables | own) as webhook:
        yield webhook


def answered(webhook: WebhookProcess) -> set[str]:
    """Return the kinds of requests in the access log, as `GET /path/{} 200`."""
    lines = (webhook.folder / "webhook.log").read_text().splitlines()
    requests = [each for each in map(json.loads, lines) if each["msg"] == "request"]
    return {f"{each['method']} {VARIABLE.sub('{}', each['path'])} {each['status']}" for each in requests}


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (
            ("--exclude-path-regex", f"{UPLOADS}|{BATCH}|{MODELS_LIST}"),
            {
                "POST /api/v1/media/import-from-url 202",
                "GET /api/v1/media/{} 200",
                "GET /api/v1/media/{}/events 200",
                "DELETE /api/v1/media/{} 202",
                "POST /api/v1/replicate/{} 202",
                "GET /api/v1/replicate/predictions/{} 200",
            },
        ),
        (
            ("--include-path-regex", rf"{UPLOADS}|{BATCH}|/media/\{{id\}}"),
            {
                "POST /api/v1/media/import-from-urls 200",
                "POST /api/v1/media/uploads 201",
                "POST /api/v1/media/uploads/{}/complete 202",
                "GET /api/v1/media/{} 200",
                "GET /api/v1/media/{}/events 200",
                "DELETE /api/v1/media/{} 202",
            },
        ),
    ],
    ids=["imports and generations", "uploads"],
)
def test_answers_along_the_links_from_creation_to_deletion_are_as_documented(
    process: WebhookProcess, tmp_path: Path, only: tuple[str, ...], expected: set[str]
) -> None:
    run = schemathesis_run(
        process.url, *only, token=TOKEN, folder=tmp_path, examples=EXAMPLES, timeout_s=60 + 20 * EXAMPLES
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert answered(process) >= expected
