"""`s3.sessionRole`: every attempt has credentials of its own, from a real STS, which reach its asset and no other."""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from dev.cluster import addresses, exports
from dev.cluster.cache import Cache
from dev.cluster.control import running
from dev.cluster.node.processes import Process
from tests.support.loopback import seaweed
from tests.support.loopback.certificate import Certificate
from tests.support.loopback.store import ACCESS, BUCKET, SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3 import S3Client

    from tests.support.installation.world import Resource, World

pytestmark = pytest.mark.slow  # another S3 server and another release

SLOW = {"size_bytes": 10_000_000, "bytes_per_second": 500_000}
UNKNOWN_ROLE = "arn:aws:iam::000000000000:role/unknown"


@contextmanager
def store_with_sts(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Run SeaweedFS in the node while the block runs; yield the environment with its S3_… variables."""
    cache, port = Cache.of(os.environ), secrets.choice(range(18000, 19000))
    certificate = Certificate(cache.pki / "ca.crt", cache.pki / "s3.crt", cache.pki / "s3.key")
    with tempfile.TemporaryDirectory(prefix="seaweed-", dir=cache.node) as folder:
        command = seaweed.command(Path(folder), port=port, certificate=certificate, roles=True, address=addresses.NODE)
        with running(Process(f"seaweedfs-{port}", tuple(command))):
            yield {
                **environment,
                "S3_ENDPOINT_URL": f"https://{addresses.NODE}:{port}",
                "S3_BUCKET_NAME": BUCKET,
                "S3_ACCESS_KEY_ID": ACCESS,
                "S3_SECRET_ACCESS_KEY": SECRET,
            }


def client(variables: Mapping[str, str]) -> S3Client:
    return boto3.client("s3", **StoreSettings.read(Environment(variables)).client_arguments(Config))


@dataclass(frozen=True)
class Release:
    """A release with a role, and the variables of its store."""

    world: World
    variables: Mapping[str, str]

    def secret(self, name: str) -> Resource:
        """Return the Secret of the import's first attempt."""
        (job,) = self.world.jobs(name)
        found: Resource = json.loads(self.world.kubectl("get", "secret", f"{job}-s3", "-o", "json"))
        return found

    def client_of(self, secret: Resource) -> S3Client:
        """Return a client of the store with a Secret's credentials."""
        handed_out = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
        return client({**self.variables, **handed_out})

    def reason(self, name: str) -> str:
        """Return the reason of the import's condition Ready."""
        conditions = self.world.get(name)["status"].get("conditions", [])
        return next((str(each["reason"]) for each in conditions if each["type"] == "Ready"), "")

    def message(self, name: str) -> str:
        """Return that condition's message."""
        return next(str(each["message"]) for each in self.world.get(name)["status"]["conditions"])


@pytest.fixture(scope="module")
def release(environment: dict[str, str], world: World) -> Iterator[Release]:
    if exports.is_foreign(environment, Cache.of(environment)):
        pytest.skip("a cluster that is not ours has no second S3 server")
    values = {"crds": {"enabled": False}, "s3": {"sessionRole": seaweed.ROLE}}
    with store_with_sts(environment) as variables:
        store = client(variables)
        seaweed.make_bucket(store, Path(os.devnull))
        with world.second_release(variables, "sessions", values=values) as made:
            yield Release(replace(made, bucket=BUCKET, store=store), variables)


def test_import_is_stored_with_credentials_that_reach_no_other_asset(release: Release) -> None:
    world = release.world
    name = world.create("own", {"source": {"url": world.file_url(**SLOW)}})
    world.wait_for_phase(name, "Importing")
    secret = release.secret(name)
    asset = world.wait_for_phase(name, "Ready")["status"]["asset"]
    assert world.read(asset["key"])
    theirs = release.client_of(secret)
    assert theirs.get_object(Bucket=BUCKET, Key=asset["key"])["ContentLength"] == SLOW["size_bytes"]
    for key in ("media/default/other/video.mp4", f"media/default/{asset['id']}0/video.mp4", "video.mp4"):
        with pytest.raises(ClientError, match="AccessDenied"):
            theirs.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        theirs.delete_object(Bucket=BUCKET, Key=asset["key"])


def test_helm_test_passes(release: Release) -> None:
    world = release.world
    world.installation.kube.helm("test", world.installation.release, "--namespace", world.namespace)


def test_import_pod_has_no_keys_but_its_own(release: Release) -> None:
    world = release.world
    name = world.create("pod", {"source": {"url": world.file_url()}})
    world.wait_for_phase(name, "Ready")
    spec = world.importer_pod(name)["spec"]
    sources = [
        each for container in spec["containers"] + spec["initContainers"] for each in container.get("envFrom", [])
    ]
    assert [each["secretRef"]["name"] for each in sources if "secretRef" in each] == [
        release.secret(name)["metadata"]["name"]
    ]


def test_secret_is_deleted_with_its_job(release: Release) -> None:
    world = release.world
    name = world.create("gone", {"source": {"url": world.file_url()}})
    world.wait_for_phase(name, "Ready")
    secret = release.secret(name)["metadata"]["name"]
    world.kubectl("delete", "mi", name)
    world.wait_until(
        lambda: f"secret/{secret}" not in world.kubectl("get", "secrets", "-o", "name"), "end of the Secret"
    )


def test_stored_objects_are_deleted_with_credentials_of_the_cleanup_job(release: Release) -> None:
    world = release.world
    name = world.create("doomed", {"source": {"url": world.file_url()}, "deletionPolicy": "Delete"})
    asset = world.wait_for_phase(name, "Ready")["status"]["asset"]
    world.kubectl("delete", "mi", name)
    prefix = f"media/default/{asset['id']}/"
    assert world.objects(prefix) == [f"{prefix}asset.json"]


def test_deadline_beyond_the_longest_session_is_told_and_holds_no_other_import(release: Release) -> None:
    world = release.world
    url = world.file_url()
    long = world.create("long", {"source": {"url": url}, "limits": {"deadlineSeconds": seaweed.MAX_SESSION_S}})
    world.wait_until(lambda: release.reason(long) == "CredentialsRefused", "the refusal")
    assert "lower limits.deadlineSeconds" in release.message(long)
    assert world.jobs(long) == []
    world.wait_for_phase(world.create("short", {"source": {"url": url}}), "Ready")


def test_import_that_was_refused_goes_on_once_the_role_is_right(release: Release) -> None:
    world = release.world
    with world.operator_setting("S3_SESSION_ROLE", UNKNOWN_ROLE):
        name = world.create("refused", {"source": {"url": world.file_url()}})
        world.wait_until(lambda: release.reason(name) == "CredentialsRefused", "the refusal")
        assert "check s3.sessionRole and its trust policy" in release.message(name)
        assert world.jobs(name) == []
    world.wait_for_phase(name, "Ready")


def test_import_goes_on_once_the_operator_may_create_secrets(release: Release) -> None:
    world = release.world
    role = f"{world.installation.release}-operator"
    rules = json.loads(world.kubectl("get", "role", role, "-o", "json"))["rules"]
    try:
        set_rules(world, role, [each for each in rules if "secrets" not in each["resources"]])
        name = world.create("forbidden", {"source": {"url": world.file_url()}})
        world.wait_until(lambda: release.reason(name) == "CredentialsRefused", "the refusal")
        assert "check quotas and the operator's Role" in release.message(name)
    finally:
        set_rules(world, role, rules)
    world.wait_for_phase(name, "Ready")


def set_rules(world: World, role: str, rules: list[Resource]) -> None:
    world.kubectl("patch", "role", role, "--type=merge", "--patch", json.dumps({"rules": rules}))


def test_neither_log_nor_status_nor_event_has_a_credential(release: Release) -> None:
    world = release.world
    with world.operator_setting("LOG_LEVEL", "debug"):
        name = world.create("quiet", {"source": {"url": world.file_url(**SLOW)}})
        world.wait_for_phase(name, "Importing")
        secret = release.secret(name)
        world.wait_for_phase(name, "Ready")
        shown = world.kubectl("logs", f"deployment/{world.installation.release}-operator")
    shown += world.kubectl("get", "mi,events,jobs,pods", "-o", "json")
    values = [base64.b64decode(each).decode() for each in secret["data"].values()]
    assert len(values) == 3
    assert [each[:4] for each in values if each in shown] == []
