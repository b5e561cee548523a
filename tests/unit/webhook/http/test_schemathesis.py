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
ASSET = r"/api/v1/media/\{id\}"
CHAINS = {
    "imports": rf"/media/import-from-url$|{ASSET}",
    "generations": r"/api/v1/replicate/(predictions/)?\{",
    "uploads": rf"/media/uploads|/media/import-from-urls$|{ASSET}",
    "webhooks": "/api/v1/webhooks",
}
"""Paths that hang together by links, by name: the fewer there are, the more examples follow one chain."""
VARIABLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|pred[0-9]+|we_[0-9a-f]{20}|wan-video-t2v")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WebhookProcess]:
    models = tmp_path / "models.json"
    models.write_text(json.dumps(MODELS))
    own = {"OWNER_TOKEN_KEYS": OWNER_KEY, "PUBLIC_BASE_URL": "https://media.test", "REPLICATE_MODELS_FILE": str(models)}
    (tmp_path / "endpoint-keys").mkdir()
    (tmp_path / "endpoint-keys" / "current").write_text("k" * 32)
    own["USER_ENDPOINTS_KEYS_DIRECTORY"] = str(tmp_path / "endpoint-keys")
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
    ("chain", "expected"),
    [
        (
            "imports",
            {
                "POST /api/v1/media/import-from-url 202",
                "GET /api/v1/media/{} 200",
                "GET /api/v1/media/{}/events 200",
                "DELETE /api/v1/media/{} 202",
            },
        ),
        ("generations", {"POST /api/v1/replicate/{} 202", "GET /api/v1/replicate/predictions/{} 200"}),
        (
            "webhooks",
            {
                "POST /api/v1/webhooks 201",
                "GET /api/v1/webhooks 200",
                "GET /api/v1/webhooks/{} 200",
                "POST /api/v1/webhooks/{}/rotate-key 200",
                "POST /api/v1/webhooks/{}/test 202",
                "POST /api/v1/webhooks/{}/replay 202",
                "GET /api/v1/webhooks/{}/deliveries 200",
                "DELETE /api/v1/webhooks/{} 204",
            },
        ),
        (
            "uploads",
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
)
def test_answers_along_the_links_from_creation_to_deletion_are_as_documented(
    process: WebhookProcess, tmp_path: Path, chain: str, expected: set[str]
) -> None:
    check(process, tmp_path, "--include-path-regex", CHAINS[chain])
    assert expected - answered(process) == set()


def test_answers_of_all_other_operations_are_as_documented(process: WebhookProcess, tmp_path: Path) -> None:
    check(process, tmp_path, "--exclude-path-regex", "|".join(CHAINS.values()), "--phases", "examples,coverage,fuzzing")
    assert {
        "GET /api/v1/media/ 200",
        "GET /api/v1/models 200",
        "GET /api/v1/stats 200",
        "GET /api/v1/usage 200",
        "GET /api/v1/operations 200",
        "DELETE /api/v1/predictions/{}/media 200",
    } <= answered(process)


def check(process: WebhookProcess, folder: Path, *options: str) -> None:
    """Run schemathesis on the operations that the options choose; AssertionError with its output on a wrong answer."""
    run = schemathesis_run(
        process.url, *options, token=TOKEN, folder=folder, examples=EXAMPLES, timeout_s=60 + 20 * EXAMPLES
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
