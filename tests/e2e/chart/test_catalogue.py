"""A release with a catalogue in PostgreSQL: rows of imports, assets whose resource is gone, a database that is away."""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dev.cluster.kubectl import KubeError
from dev.postgresql import manifest as postgresql
from tests.support.installation.helm import CHART, Installation, install, merged
from tests.support.replicate.manifest import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dev.postgresql.manifest import Database
    from tests.support.installation.world import World

PAGE = CHART.parents[1] / "docs" / "catalogue.md"
RELEASE = "catalogue"
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@dataclass(frozen=True)
class Release:
    """The release, its webhook and its database."""

    world: World
    webhook: httpx.Client
    database: Database

    def asset(self, name: str) -> dict[str, Any]:
        """Import a picture; return the asset of its status."""
        resource = self.world.create(name, {"source": {"url": PICTURE}, "name": f"{name}.gif"})
        asset: dict[str, Any] = self.world.wait_for_phase(resource, "Ready")["status"]["asset"]
        return asset | {"resource": resource}

    def row(self, asset_id: str) -> dict[str, Any]:
        """Return the row of an asset, {} without one."""
        return next(iter(self.database.rows(f"SELECT * FROM media_assets WHERE id = '{asset_id}'")), {})  # noqa: S608 - an id has no quote

    def wait_for_row(self, asset_id: str, status: str) -> dict[str, Any]:
        """Return the row of an asset once it has that status."""
        self.world.wait_until(lambda: self.row(asset_id).get("status") == status, f"a row of {asset_id}, {status}")
        return self.row(asset_id)

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Refuse all connections."""
        self.database.psql("ALTER ROLE webhook NOLOGIN")
        self.database.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'webhook'")
        try:
            yield
        finally:
            self.database.psql("ALTER ROLE webhook LOGIN")


@pytest.fixture(scope="module")
def release(environment: dict[str, str], world: World) -> Iterator[Release]:
    """It is installed with the database: a hook makes the table."""
    kube, namespace = world.installation.kube, f"{world.namespace}-{RELEASE}"
    database_namespace = f"{namespace}-postgresql"
    for each in (namespace, database_namespace):
        kube.kubectl("delete", "namespace", each, "--ignore-not-found", "--wait")
    database = postgresql.deploy(kube, image=environment["MEDIAIMPORT_POSTGRESQL_IMAGE"], namespace=database_namespace)
    database.admit(namespace)
    installation = Installation(kube, namespace, RELEASE)
    # A rebuild reads the records of a whole bucket.
    bucket = f"{RELEASE}-{secrets.token_hex(4)}"
    world.store.create_bucket(Bucket=bucket)
    chosen = merged(database.values, {"crds": {"enabled": False}, "s3": {"bucket": bucket}})
    install(installation, environment, replicate=StandIn("nowhere", "127.0.0.1"), values=chosen)
    with kube.forward(installation.webhook, 80, namespace=namespace) as url, httpx.Client(base_url=url) as webhook:
        webhook.headers["authorization"] = f"Bearer {installation.first_token()}"
        own = replace(world, installation=installation, bucket=bucket)
        yield Release(own, webhook, database)
    for key in own.objects(""):
        world.store.delete_object(Bucket=bucket, Key=key)
    world.store.delete_bucket(Bucket=bucket)
    for each in (namespace, database_namespace):
        kube.kubectl("delete", "namespace", each, "--wait=false")


def test_rows_say_what_the_resources_say(release: Release) -> None:
    asset = release.asset("whole")
    failed = release.world.create("failed", {"source": {"url": "data:text/html;base64,PGh0bWw+"}})
    status = release.world.wait_for_phase(failed, "Failed")["status"]

    row = release.wait_for_row(asset["id"], "ready")

    assert {key: row[key] for key in ("name", "sha256", "size_bytes", "s3_key")} == {
        "name": "whole.gif",
        "sha256": asset["sha256"],
        "size_bytes": asset["sizeBytes"],
        "s3_key": asset["key"],
    }
    (other,) = release.database.rows(f"SELECT * FROM media_assets WHERE resource_name = '{failed}'")  # noqa: S608 - our own name
    assert other["status"] == "failed"
    assert other["file_metadata"]["error"] == status["error"]["message"]


def test_documented_queries_answer(release: Release) -> None:
    release.wait_for_row(release.asset("asked")["id"], "ready")
    section = PAGE.read_text().partition("\n## Queries\n")[2].partition("\n## ")[0]
    queries = re.findall(r"^SELECT .*;$", section, re.MULTILINE)
    answers = [release.database.psql(each) for each in queries]
    assert len(answers) >= 4
    assert "asked.gif" in answers[0]
    assert re.search(r"^ ready +\| +\d+$", answers[1], re.MULTILINE)


def test_asset_is_listed_and_read_after_its_resource_is_gone(release: Release) -> None:
    asset = release.asset("gone")
    release.wait_for_row(asset["id"], "ready")

    release.world.kubectl("delete", "mi", asset["resource"], "--wait")

    def is_listed() -> bool:
        assets = release.webhook.get("/api/v1/media/", params={"sha256": asset["sha256"]}).json()["assets"]
        return asset["id"] in [each["id"] for each in assets]

    release.world.wait_until(is_listed, "the asset in the list")
    shown = release.webhook.get(f"/api/v1/media/{asset['id']}")
    assert (shown.status_code, shown.json()["status"]) == (HTTPStatus.OK, "ready"), shown.text
    fetched = httpx.get(shown.json()["url"], verify=release.world.tls)
    assert fetched.status_code == HTTPStatus.OK


def test_database_that_is_away_holds_no_import_up(release: Release) -> None:
    with release.database_away():
        asset = release.asset("meanwhile")
        shown = release.webhook.get(f"/api/v1/media/{asset['id']}")
        assert (shown.status_code, shown.json()["status"]) == (HTTPStatus.OK, "ready")
        assert release.row(asset["id"]) == {}
    release.wait_for_row(asset["id"], "ready")


def test_import_is_marked_as_recorded_once_its_row_is_written(release: Release) -> None:
    world = release.world
    with release.database_away():
        name = world.create("marked", {"source": {"url": PICTURE}})
        status = world.wait_for_phase(name, "Ready")["status"]
        assert condition(status, "Recorded")["reason"] == "RecordingPending"
    world.wait_until(
        lambda: condition(world.get(name)["status"], "Recorded")["status"] == "True", "the condition Recorded"
    )
    assert release.row(status["asset"]["id"])["status"] == "ready"


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in status["conditions"] if each["type"] == kind)
    return found


def test_rows_that_are_lost_are_rebuilt_by_the_documented_commands(release: Release) -> None:
    assets = [release.asset("lost") for _ in range(3)]
    for each in assets:
        release.world.kubectl("delete", "mi", each["resource"], "--wait")
        release.wait_for_row(each["id"], "ready")
    columns = "id, user_id, name, status, sha256, size_bytes, s3_key, thumbnail_s3_key, file_metadata"
    before = release.database.rows(f"SELECT {columns} FROM media_assets WHERE name = 'lost.gif' ORDER BY id")  # noqa: S608 - our own columns
    assert len(before) == len(assets)

    release.database.psql("TRUNCATE media_assets")
    section = PAGE.read_text().partition("\n## Rebuild from the store\n")[2]
    (commands,) = re.findall(r"^```sh\n(kubectl create job.*?)^```", section, re.DOTALL | re.MULTILINE)
    printed = ""
    for command in commands.replace("cronjob/mediaimport-", f"cronjob/{RELEASE}-").splitlines():
        printed = release.world.kubectl(*command.split()[1:])

    assert "the catalogue equals the store" in printed
    after = release.database.rows(f"SELECT {columns} FROM media_assets WHERE name = 'lost.gif' ORDER BY id")  # noqa: S608 - our own columns
    assert after == before


def test_migration_that_fails_leaves_the_former_release_serving(release: Release) -> None:
    asset = release.asset("former")
    release.wait_for_row(asset["id"], "ready")
    installation = release.world.installation
    upgrade = ("upgrade", RELEASE, str(CHART), "--namespace", installation.namespace, "--reset-then-reuse-values")

    with release.database_away():
        with pytest.raises(KubeError, match="pre-upgrade"):
            installation.kube.helm(*upgrade, "--set", "webhook.logLevel=debug", "--wait", "--timeout", "20s")
        assert release.webhook.get(f"/api/v1/media/{asset['id']}").status_code == HTTPStatus.OK

    installation.kube.helm(*upgrade, "--wait", "--timeout", "180s")
    release.wait_for_row(release.asset("later")["id"], "ready")
