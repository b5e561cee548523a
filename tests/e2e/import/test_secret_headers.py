"""Source that requires a header, which is in a Secret."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from tests.support.installation.world import Resource, World

TOKEN = "hush-hush"


def secret(world: World, host: str) -> str:
    """Make a Secret for that host; return its name."""
    name = f"mediaimport-source-{secrets.token_hex(3)}"
    data = {"host": host, "Authorization": f"Bearer {TOKEN}"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}
    world.kubectl("create", "-f", "-", given=json.dumps(secret))
    return name


def imported(world: World, url: str, *, host: str) -> str:
    """Create an import with the header for that host; return its name."""
    source = {"url": url, "headersSecretRef": {"name": secret(world, host)}}
    return world.create("behind-a-token", {"source": source})


@pytest.mark.parametrize("moved", [False, True], ids=["same host", "redirected"])
def test_header_reaches_its_host_and_no_other(world: World, *, moved: bool) -> None:
    host = urlsplit(world.file_url()).hostname or ""
    # The same Service by its longer name: another host, which answers 400 to whoever brings the token along.
    url = world.file_url(bearer=TOKEN, moved_to=f"{host}.cluster.local" if moved else "")

    done = world.wait_for_phase(imported(world, url, host=host), "Ready")

    status: Resource = done["status"]
    assert status["asset"]["sha256"] == world.film_sha256
    sidecar = world.read(f"media/default/{status['asset']['id']}/asset.json").decode()
    assert TOKEN not in json.dumps(done) + sidecar


def test_source_without_its_header_is_unauthorized(world: World) -> None:
    name = world.create("no-token", {"source": {"url": world.file_url(bearer=TOKEN)}})

    assert world.wait_for_phase(name, "Failed")["status"]["error"]["reason"] == "SourceUnauthorized"


def test_header_of_another_host_is_sent_nowhere(world: World) -> None:
    name = imported(world, world.file_url(bearer=TOKEN), host="elsewhere.example")

    failed = world.wait_for_phase(name, "Failed")

    assert failed["status"]["error"]["reason"] == "SpecInvalid"
    assert TOKEN not in json.dumps(failed)
