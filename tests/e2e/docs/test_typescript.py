"""The frontend's polling example: as documented, compiled strictly, run under node against the webhook."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support import event_receivers

if TYPE_CHECKING:
    from tests.support.installation.world import World

ROOT = Path(__file__).resolve().parents[3]
CLIENT = ROOT / "clients" / "typescript"


def run(*command: str, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=CLIENT, env=os.environ | variables, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compiled() -> Path:
    """The compiled example; the compiler comes from the lock file."""
    run("npm", "ci", "--no-fund", "--no-audit")
    run("npm", "run", "check")
    return CLIENT / "build" / "poll.js"


def test_example_in_the_documentation_is_the_program() -> None:
    assert f"```ts\n{(CLIENT / 'poll.ts').read_text()}```\n" in (ROOT / "docs" / "frontend.md").read_text()


def test_excerpt_in_the_readme_is_of_the_program() -> None:
    _, excerpt = (ROOT / "README.md").read_text().split("```ts\n")
    assert excerpt.split("```", maxsplit=1)[0] in (CLIENT / "poll.ts").read_text()


def test_types_are_those_of_the_document(compiled: Path, tmp_path: Path) -> None:
    assert compiled.exists()
    run("npx", "openapi-typescript", "../../docs/openapi.json", "--output", str(tmp_path / "api.d.ts"))
    assert (tmp_path / "api.d.ts").read_text() == (CLIENT / "api.d.ts").read_text()


def test_receiver_takes_each_event_once_and_no_forged_one(compiled: Path, tmp_path: Path) -> None:
    program = compiled.with_name("receive-events.js")
    port = event_receivers.free_port()
    event_receivers.check(["node", str(program)], folder=CLIENT, port=port, output=tmp_path / "output")


def test_example_polls_until_the_film_is_there(world: World, webhook: httpx.Client, compiled: Path) -> None:
    token = webhook.headers["authorization"].removeprefix("Bearer ")
    printed = run(
        "node", str(compiled), world.file_url(), MEDIAIMPORT_URL=str(webhook.base_url), MEDIAIMPORT_TOKEN=token
    )
    summary, url, thumbnail_url = printed.splitlines()
    assert summary == "film.mp4: 1280x720, 5.312 s, h264"
    assert httpx.get(url, verify=world.tls).content == world.film
    assert httpx.get(thumbnail_url, verify=world.tls).status_code == 200
