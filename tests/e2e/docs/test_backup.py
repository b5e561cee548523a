"""Commands of docs/backup.md: a release's namespace is deleted and restored, and a backup of its bucket is checked."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.bench.importer.baselines import aws
from tests.support.installation.helm import install
from tests.support.replicate.manifest import deploy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.installation.helm import Values
    from tests.support.installation.world import World

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "backup.md"
TOMBSTONE = ROOT / "tests" / "golden" / "v0.1" / "tombstone.json"
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
ASSET_ID = "4272560c-d562-4462-832b-fa55064ed920"


@dataclass(frozen=True)
class Shell:
    """Shell that runs commands of the page on this release alone."""

    folder: Path
    variables: Mapping[str, str]
    release: World

    def run(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run commands with this release's namespace and bucket: other tests have imports on the cluster, too."""
        here = {
            "--all-namespaces": f"--namespace {self.release.namespace}",
            "namespace mediaimport": f"namespace {self.release.namespace}",
            "YOUR-BUCKET": self.release.bucket,
        }
        # At once: a namespace of the tests may begin with the documented one.
        commands = re.sub("|".join(map(re.escape, here)), lambda found: here[found[0]], commands)
        return subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder, env=os.environ | self.variables, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    def succeed(self, commands: str) -> None:
        """Run commands; AssertionError with their output if one fails."""
        done = self.run(commands)
        assert done.returncode == 0, done.stdout + done.stderr


def commands_below(heading: str) -> list[str]:
    """Return the shell blocks of a section of the page."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


@contextmanager
def new_bucket(world: World) -> Iterator[str]:
    name = f"backup-{secrets.token_hex(4)}"
    world.store.create_bucket(Bucket=name)
    yield name
    for key in replace(world, bucket=name).objects(""):
        world.store.delete_object(Bucket=name, Key=key)
    world.store.delete_bucket(Bucket=name)


@pytest.fixture(scope="module")
def bucket(world: World) -> Iterator[str]:
    """Bucket of this release alone: the page copies all of it."""
    with new_bucket(world) as name:
        yield name


@pytest.fixture(scope="module")
def backup_values(bucket: str) -> Values:
    return {"crds": {"enabled": False}, "s3": {"bucket": bucket}}


@pytest.fixture(scope="module")
def release(environment: dict[str, str], world: World, bucket: str, backup_values: Values) -> Iterator[World]:
    with world.second_release(environment, "backup", release="mediaimport", values=backup_values) as release:
        yield replace(release, bucket=bucket)


@pytest.fixture
def shell(environment: dict[str, str], release: World, tmp_path: Path) -> Shell:
    keys = {
        "AWS_ACCESS_KEY_ID": environment["S3_ACCESS_KEY_ID"],
        "AWS_SECRET_ACCESS_KEY": environment["S3_SECRET_ACCESS_KEY"],
        "AWS_DEFAULT_REGION": environment["S3_REGION"],
    }
    optional = {"AWS_ENDPOINT_URL": "S3_ENDPOINT_URL", "AWS_CA_BUNDLE": "S3_CA_BUNDLE"}
    store = {name: environment[given] for name, given in optional.items() if given in environment}
    path = {"PATH": f"{aws().parent}:{environment.get('PATH', os.environ['PATH'])}"}
    return Shell(tmp_path, environment | keys | store | path, release)


def test_lost_namespace_is_restored_without_a_second_import(
    shell: Shell, release: World, world: World, environment: dict[str, str], backup_values: Values
) -> None:
    release.create("own-id", {"source": {"url": release.file_url()}}, unique=False)
    release.create("given-id", {"source": {"url": PICTURE}, "assetId": ASSET_ID, "userId": "alice"}, unique=False)
    release.create("not-ended", {"source": {"url": PICTURE}, "suspend": True}, unique=False)
    release.kubectl("label", "mi", "own-id", "team=media")
    assets = {name: release.wait_for_phase(name, "Ready")["status"]["asset"] for name in ("own-id", "given-id")}
    secret_data = secrets_of(release)
    written = {key: release.modified(key) for key in release.objects("media/")}
    (make,) = commands_below("Make a backup")
    restore_secrets, restore_imports = commands_below("When the cluster is lost")

    shell.succeed(make)
    kube = release.installation.kube
    # A lost cluster ends no pod in peace.
    release.kubectl("delete", "deployments,pods", "--all", "--grace-period=0", "--force")
    kube.kubectl("delete", "namespace", release.namespace, "--wait")
    shell.succeed(restore_secrets)
    image, namespace = environment["MEDIAIMPORT_DEV_IMAGE"], f"{world.namespace}-replicate"
    install(
        release.installation,
        environment,
        replicate=deploy(kube, image=image, namespace=namespace),
        values=backup_values,
    )
    shell.succeed(restore_imports)

    assert {name: release.wait_for_phase(name, "Ready")["status"]["asset"] for name in assets} == assets
    assert {key: release.modified(key) for key in release.objects("media/")} == written
    release.wait_for_phase("not-ended", "Suspended")
    assert release.get("own-id")["metadata"]["labels"]["team"] == "media"
    assert secrets_of(release) == secret_data


def secrets_of(release: World) -> list[object]:
    """Return the data of the first token and the owner key."""
    found = ("secret/mediaimport-first-token", "secret/mediaimport-owner-keys")
    kube = release.installation.kube
    return [each["data"] for each in kube.get(*found, namespace=release.namespace)["items"]]


def test_check_of_a_backup_names_the_original_that_was_changed(shell: Shell, release: World) -> None:
    (check,) = commands_below("Check a backup")
    for name in ("whole", "changed"):
        release.create(name, {"source": {"url": PICTURE}}, unique=False)
    assets = {name: release.wait_for_phase(name, "Ready")["status"]["asset"] for name in ("whole", "changed")}
    # A deleted asset has a record and no original.
    release.store.put_object(
        Bucket=release.bucket, Key=f"media/default/{ASSET_ID}/asset.json", Body=TOMBSTONE.read_bytes()
    )
    shell.succeed(check)

    release.store.put_object(Bucket=release.bucket, Key=assets["changed"]["key"], Body=b"other")

    done = shell.run(check)
    assert done.returncode == 1
    failed = [line for line in done.stdout.splitlines() if "FAILED" in line]
    assert failed == [f"copy/{assets['changed']['key'].removeprefix('media/')}: FAILED"]
