"""The client in TypeScript and its examples: compiled strictly, run under node, packed as others install it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support import event_receivers
from tests.support.loopback_webhook import loopback_webhook
from tests.support.webhook_process import ADMIN_TOKEN, TOKEN

if TYPE_CHECKING:
    from tests.support.installation.world import World

ROOT = Path(__file__).resolve().parents[3]
CLIENT = ROOT / "clients" / "typescript"


def run(*command: str, folder: Path = CLIENT, variables: dict[str, str] | None = None) -> str:
    environment = os.environ | (variables or {})
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compiled() -> Path:
    """The folder of the compiled examples; the compiler comes from the lock file."""
    run("npm", "ci", "--no-fund", "--no-audit")
    run("npm", "run", "check")
    return CLIENT / "build" / "examples"


def variables(webhook: httpx.Client) -> dict[str, str]:
    """Variables that lead an example to the webhook."""
    token = webhook.headers["authorization"].removeprefix("Bearer ")
    return {"MEDIAIMPORT_URL": str(webhook.base_url), "MEDIAIMPORT_TOKEN": token}


def test_example_in_the_documentation_is_the_program() -> None:
    assert f"```ts\n{(CLIENT / 'examples/poll.ts').read_text()}```\n" in (ROOT / "docs" / "frontend.md").read_text()


def test_example_in_the_clients_readme_is_the_program() -> None:
    assert f"```ts\n{(CLIENT / 'examples/import.ts').read_text()}```\n" in (CLIENT / "README.md").read_text()


def test_excerpt_in_the_readme_is_of_the_program() -> None:
    _, excerpt = (ROOT / "README.md").read_text().split("```ts\n")
    assert excerpt.split("```", maxsplit=1)[0] in (CLIENT / "examples/poll.ts").read_text()


def test_types_are_those_of_the_document(compiled: Path, tmp_path: Path) -> None:
    assert compiled.exists()
    run("npx", "openapi-typescript", "../../docs/openapi.json", "--output", str(tmp_path / "api.ts"))
    assert (tmp_path / "api.ts").read_text() == (CLIENT / "src/api.ts").read_text()


def test_client_passes_its_tests_against_a_webhook(compiled: Path, tmp_path: Path) -> None:
    assert compiled.exists()
    with loopback_webhook(tmp_path) as webhook:
        tokens = {"MEDIAIMPORT_TOKEN": TOKEN, "MEDIAIMPORT_ADMIN_TOKEN": ADMIN_TOKEN}
        printed = run("npm", "test", variables={"MEDIAIMPORT_URL": webhook.url, **tokens})
    assert "# fail 0" in printed


def test_package_needs_nothing_and_holds_the_client_alone(compiled: Path, tmp_path: Path) -> None:
    assert compiled.exists()
    (packed,) = json.loads(run("npm", "pack", "--json", "--pack-destination", str(tmp_path)))
    files = {each["path"] for each in packed["files"]}
    assert {"package.json", "README.md", "dist/index.js", "dist/index.d.ts", "dist/api.d.ts"} <= files
    assert {each.split("/")[0] for each in files} == {"package.json", "README.md", "dist"}
    (tmp_path / "package.json").write_text('{"type": "module"}')
    run("npm", "install", "--offline", "--no-fund", "--no-audit", packed["filename"], folder=tmp_path)
    program = "import { MediaImport } from 'mediaimport-client'; console.log(typeof MediaImport.prototype.wait);"
    assert run("node", "--input-type=module", "--eval", program, folder=tmp_path) == "function\n"


def test_receiver_takes_each_event_once_and_no_forged_one(compiled: Path, tmp_path: Path) -> None:
    port = event_receivers.free_port()
    program = compiled / "receive-events.js"
    event_receivers.check(["node", str(program)], folder=CLIENT, port=port, output=tmp_path / "output")


def test_example_polls_until_the_film_is_there(world: World, webhook: httpx.Client, compiled: Path) -> None:
    printed = run("node", str(compiled / "poll.js"), world.file_url(), variables=variables(webhook))
    summary, url, thumbnail_url = printed.splitlines()
    assert summary == "film.mp4: 1280x720, 5.312 s, h264"
    assert httpx.get(url, verify=world.tls).content == world.film
    assert httpx.get(thumbnail_url, verify=world.tls).status_code == 200


def test_example_imports_the_film_by_the_client(world: World, webhook: httpx.Client, compiled: Path) -> None:
    printed = run("node", str(compiled / "import.js"), world.file_url(), variables=variables(webhook))
    summary, url = printed.splitlines()
    assert summary == "film.mp4: 1280x720, 5.312 s"
    assert httpx.get(url, verify=world.tls).content == world.film
