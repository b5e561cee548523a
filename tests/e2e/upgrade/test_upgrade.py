"""Upgrade of the last release to this checkout and back, with imports in flight. `make e2e-upgrade` runs it."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dev.cluster.kubectl import Kube, KubeError
from dev.release.last import LastRelease
from tests.support.installation.helm import CHART, Installation, Values, install
from tests.support.replicate.manifest import deploy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.installation.world import World
    from tests.support.replicate.manifest import StandIn

pytestmark = pytest.mark.upgrade
Resource = dict[str, Any]
IN_FLIGHT = 3
VALUES: Values = {"operator": {"maxInFlight": IN_FLIGHT, "retryWaitSeconds": 1}}
BYTES_PER_SECOND = 25_000
"""The download takes longer than an upgrade."""
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
DELETED = {"deletionPolicy": "Delete"}
NO_FINALIZERS = json.dumps({"metadata": {"finalizers": None}})


@dataclass(frozen=True)
class Release:
    """A release in a namespace of its own, put to either version."""

    world: World
    environment: dict[str, str]
    replicate: StandIn
    old: LastRelease

    @property
    def images(self) -> dict[str, set[str]]:
        """The old and the new image of operator, webhook and importer."""
        return {"old": {self.old.images["mediaimport"]}, "new": {self.environment["MEDIAIMPORT_IMAGE"]}}

    def put_old(self) -> None:
        """Install the last release."""
        images = {
            "MEDIAIMPORT_IMAGE": self.old.images["mediaimport"],
            "MEDIAIMPORT_FFMPEG_IMAGE": self.old.images["mediaimport-ffmpeg"],
        }
        self._put(self.environment | images, self.old.chart)

    def put_new(self) -> None:
        """Upgrade to this checkout."""
        self._put(self.environment, CHART)

    def _put(self, environment: dict[str, str], chart: Path) -> None:
        install(self.world.installation, environment, replicate=self.replicate, values=VALUES, chart=chart)

    def roll_back(self) -> None:
        """Return to the revision before."""
        world = self.world
        world.installation.kube.helm(
            "rollback", world.installation.release, "--namespace", world.namespace, "--wait", "--force-conflicts"
        )

    def runs(self, version: str) -> bool:
        """Tell whether operator and webhook are of a version."""
        return all(pod_images(self.world, each) == self.images[version] for each in ("operator", "webhook"))

    @contextmanager
    def api(self) -> Iterator[httpx.Client]:
        """Client of the webhook with the first token, which the last release has created."""
        installation = self.world.installation
        with (
            installation.kube.forward(installation.webhook, 80, namespace=installation.namespace) as url,
            httpx.Client(base_url=url, headers={"authorization": f"Bearer {installation.first_token()}"}) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def release(world: World, environment: dict[str, str], values: Values) -> Iterator[Release]:
    kube, namespace = Kube(environment), f"{world.namespace}-upgrade"
    remove(kube, namespace, wait=True)
    replicate = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"], namespace=f"{world.namespace}-replicate")
    there = replace(world, installation=Installation(kube, namespace, "upgraded"))
    yield Release(there, environment, replicate, LastRelease.read())
    remove(kube, namespace, wait=False)
    # The resource definition is the cluster's: this checkout's stays.
    install(world.installation, environment, replicate=replicate, values=values)


def remove(kube: Kube, namespace: str, *, wait: bool) -> None:
    """Delete the namespace; a failed test leaves imports with a finalizer, and the operator goes with the namespace."""
    found = kube.kubectl("get", "mi", "--output", "name", namespace=namespace).split()
    if found:
        kube.kubectl("delete", *found, "--ignore-not-found", "--wait=false", namespace=namespace)
    for name in kube.kubectl("get", "mi", "--output", "name", namespace=namespace).split():
        with suppress(KubeError):  # the operator was faster
            kube.kubectl("patch", name, "--type=merge", "--patch", NO_FINALIZERS, namespace=namespace)
    kube.kubectl("delete", "namespace", namespace, "--ignore-not-found", f"--wait={str(wait).lower()}")


def pod_images(world: World, component: str) -> set[str]:
    """Return the images of a component's pods that stay."""
    selector = f"app.kubernetes.io/instance={world.installation.release},app.kubernetes.io/component={component}"
    pods = json.loads(world.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return {container["image"] for pod in staying for container in pod["spec"]["containers"]}


def slow(world: World, count: int = IN_FLIGHT) -> list[str]:
    """Return the names of imports whose download is in progress."""
    url = world.file_url(bytes_per_second=BYTES_PER_SECOND)
    names = [world.create("slow", {"source": {"url": url}}) for _ in range(count)]
    for name in names:
        world.wait_until(lambda name=name: "progress" in world.get(name)["status"], "progress")  # type: ignore[misc]
    return names


def imported(world: World, name: str, spec: Resource) -> Resource:
    """Create an import, and return it once it is Ready."""
    return world.wait_for_phase(world.create(name, spec), "Ready")


def name_of(resource: Resource) -> str:
    """Return its name."""
    return str(resource["metadata"]["name"])


def assert_imported_once(world: World, name: str) -> None:
    """Wait for an import that another version has begun: one attempt, one Job, every byte."""
    status = world.wait_for_phase(name, "Ready", timeout_s=180)["status"]
    assert [each["number"] for each in status["attempts"]] == [1]
    assert world.read(status["asset"]["key"]) == world.film
    assert len(world.jobs(name)) == 1


@dataclass(frozen=True)
class Begun:
    """Names of imports that a version has begun: all that run at once, and one that waits for a place."""

    in_flight: list[str]
    queued: str


def begin(world: World) -> Begun:
    """Fill the places of imports, and queue one more."""
    in_flight = slow(world)
    queued = world.create("queued", {"source": {"url": world.file_url()}})
    world.wait_for_phase(queued, "Queued")
    return Begun(in_flight, queued)


def assert_goes_on(release: Release, version: str, begun: Begun) -> None:
    """Wait for a version: imports of the other one end as they began, and the queued one runs its image."""
    world = release.world
    world.wait_until(lambda: release.runs(version), f"operator and webhook of the {version} version")
    for name in begun.in_flight:
        assert_imported_once(world, name)
    world.wait_for_phase(begun.queued, "Ready", timeout_s=180)
    assert world.importer_pod(begun.queued)["spec"]["containers"][0]["image"] in release.images[version]


def assert_served(release: Release, resource: Resource) -> None:
    """Read an asset by the API, and its bytes by the presigned URL."""
    asset = resource["status"]["asset"]
    with release.api() as api:
        answer = api.get(f"/api/v1/media/{asset['id']}")
        answer.raise_for_status()
        listed = api.get("/api/v1/media/", params={"limit": 100}).json()["assets"]
    shown = answer.json()
    assert shown["status"] == "ready"
    assert asset["id"] in {each["id"] for each in listed}
    served = httpx.get(shown["url"], verify=release.world.tls)
    assert served.content == release.world.read(asset["key"])


def test_upgrade_goes_on_with_all_that_the_last_release_has_begun(release: Release) -> None:
    release.put_old()
    world = release.world
    url = world.file_url()
    film = imported(world, "film", {"source": {"url": url}, "metadata": {"scene": 7}, "tags": ["kept"]})
    picture = imported(world, "picture", {"source": {"url": PICTURE}})
    deleted = imported(world, "deleted", {"source": {"url": url}} | DELETED)
    failed = world.wait_for_phase(world.create("failed", {"source": {"url": url}, "type": "audio"}), "Failed")
    suspended = world.create("suspended", {"source": {"url": url}, "suspend": True})
    begun = begin(world)

    release.put_new()

    assert_goes_on(release, "new", begun)
    for before in (film, picture, deleted, failed):
        assert world.get(name_of(before))["status"] == before["status"]
    assert_served(release, film)
    assert_served(release, picture)

    world.patch(suspended, {"spec": {"suspend": False}})
    world.wait_for_phase(suspended, "Ready")
    verify_again(world, film)
    world.kubectl("delete", "mi", name_of(deleted), "--timeout=120s")
    assert deleted["status"]["asset"]["key"] not in world.objects(f"media/default/{deleted['status']['asset']['id']}/")
    world.kubectl("delete", "mi", name_of(picture))
    with release.api() as api:  # by the sidecar that the last release wrote
        world.wait_until(
            lambda: api.get(f"/api/v1/media/{picture['status']['asset']['id']}").json().get("status") == "ready",
            "an asset without its resource",
        )


def verify_again(world: World, before: Resource) -> None:
    """Run a Ready import again: it verifies what is stored, and stores nothing."""
    name, key = name_of(before), before["status"]["asset"]["key"]
    written = world.modified(key)
    world.patch(name, {"spec": {"run": "verify"}})
    world.wait_until(lambda: world.get(name)["status"].get("run") == "verify", "the new run")
    again = world.wait_for_phase(name, "Ready")
    assert again["status"]["asset"] == before["status"]["asset"]
    assert world.modified(key) == written


def test_rollback_goes_on_with_all_that_this_version_has_begun(release: Release) -> None:
    release.put_old()
    release.put_new()
    world = release.world
    film = imported(world, "film", {"source": {"url": world.file_url()}})
    begun = begin(world)

    release.roll_back()

    assert_goes_on(release, "old", begun)
    assert world.get(name_of(film))["status"]["asset"] == film["status"]["asset"]
    assert_served(release, film)
    verify_again(world, film)
