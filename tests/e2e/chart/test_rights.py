"""The rights are the least: each rule is taken away in turn, and each time somebody misses it aloud."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from dev.cluster.kubectl import Kube, KubeError
from tests.support.helm import Installation, install
from tests.support.replicate.manifest import deploy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.world import World

    Exercise = Callable[["World", "Object"], None]
    """Makes a program do what the rule is for."""

Object = dict[str, Any]
RELEASE = "rights"
VALUES = {
    "crds": {"enabled": False},
    # An importer's log that cannot be read is no one's loss but the reader's.
    "operator": {"logLevel": "debug"},
}
EVENTS = ("events", "deployments")
"""What the shim posts an Event with; it says that it could not, not why."""


@pytest.fixture(scope="module")
def rights(environment: dict[str, str], world: World) -> Iterator[World]:
    """A release of its own: what is broken here is nobody else's."""
    with world.beside(environment, RELEASE, values=VALUES) as made:
        yield made


def roles(world: World, component: str) -> list[Object]:
    found: list[Object] = json.loads(
        world.kubectl("get", "roles", "-l", f"app.kubernetes.io/component={component}", "-o", "json")
    )["items"]
    return found


def unmissed(world: World, component: str, exercise: Exercise) -> list[str]:
    """Return the rules that nobody misses: those whose removal leaves no refusal in the program's log."""
    rules = [(role, number) for role in roles(world, component) for number in range(len(role["rules"]))]
    # Last those that a program is started anew for.
    rules.sort(key=lambda place: "watch" in place[0]["rules"][place[1]]["verbs"])
    return [
        f"{role['metadata']['name']}: {role['rules'][number]}"
        for role, number in rules
        if not is_missed(world, component, role, number, exercise)
    ]


def is_missed(world: World, component: str, role: Object, number: int, exercise: Exercise) -> bool:
    removed = role["rules"][number]
    put(world, role, [rule for other, rule in enumerate(role["rules"]) if other != number])
    since = datetime.now(UTC).isoformat()
    try:
        exercise(world, removed)
        world.wait_until(lambda: refused(world, component, removed, since), "a refusal", timeout_s=25)
    except AssertionError:
        return False
    finally:
        put(world, role, role["rules"])
    return True


def put(world: World, role: Object, rules: list[Object]) -> None:
    world.kubectl("patch", "role", role["metadata"]["name"], "--type=merge", "--patch", json.dumps({"rules": rules}))


def refused(world: World, component: str, rule: Object, since: str) -> bool:
    """Tell whether the program's log speaks of a refusal of one of the rule's resources since then."""
    selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"
    try:
        said = world.kubectl("logs", "-l", selector, "--tail=-1", f"--since-time={since}").replace('\\"', '"')
    except KubeError:  # a pod that has no container yet
        return False
    return any(f'resource "{resource}"' in said for resource in rule["resources"]) or (
        rule["resources"][0] in EVENTS and "the event could not be posted" in said
    )


def import_something(world: World, removed: Object) -> None:
    """Import; start the operator anew if it is about a watch."""
    if "watch" in removed["verbs"]:
        selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
        world.kubectl("delete", "pod", "-l", selector, "--wait=false")
    world.create("rights", {"source": {"url": world.file_url()}})


def predict_something(world: World, removed: Object) -> None:
    """Start a prediction, hear that another failed; start the shim anew for what it asks once."""
    kube, token = world.installation.kube, world.installation.first_token()
    if removed["resources"][0] in {"mediaimports", "deployments"}:
        # Gone altogether: a connection that is kept alive would lead to the old pod.
        world.kubectl("delete", "pod", world.pod_of("webhook"), "--wait")
    if "watch" in removed["verbs"]:
        return  # The new pod never becomes ready.
    kube.wait_for_rollout(f"{RELEASE}-webhook", namespace=world.namespace)
    with kube.forward(world.installation.shim, 80, namespace=world.namespace) as url:
        httpx.post(
            f"{url}/api/v1/replicate/wan-video-t2v",
            headers={"authorization": f"Bearer {token}"},
            json={"prompt": "a rabbit"},
            timeout=20,
        )
    world.predict({"outcome": "failed"}, webhook=True)


@pytest.fixture(scope="module")
def apart(environment: dict[str, str], world: World) -> Iterator[World]:
    """A release that acts on another namespace than its own; in its own it only deletes, with keys that are wrong."""
    kube = Kube(environment)
    namespace, watched = f"{world.namespace}-apart", f"{world.namespace}-apart-imports"
    let_go(kube, watched)
    kube.kubectl("delete", "namespace", namespace, watched, "--ignore-not-found", "--wait")
    kube.kubectl("create", "namespace", watched)
    replicate = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"], namespace=f"{world.namespace}-replicate")
    installation = Installation(kube, namespace, RELEASE)
    values = {**VALUES, "watchNamespaces": [watched], "webhook": {"enabled": False}}
    install(installation, environment, replicate=replicate, values=values)
    there = replace(world, installation=installation)
    keys = json.dumps({"stringData": {"S3_SECRET_ACCESS_KEY": "wrong"}})
    there.kubectl("patch", "secret", f"{RELEASE}-store", "--patch", keys)
    yield there
    there.scale("operator", 0)
    let_go(kube, watched)
    kube.kubectl("delete", "namespace", namespace, watched, "--wait=false")


def let_go(kube: Kube, namespace: str) -> None:
    """Free what is held for its objects: it would hold its namespace."""
    for item in kube.get("mediaimports", namespace=namespace)["items"]:
        name, free = item["metadata"]["name"], json.dumps({"metadata": {"finalizers": None}})
        kube.kubectl("patch", "mediaimport", name, "--type=merge", "--patch", free, namespace=namespace)


def delete_something(world: World, removed: Object) -> None:
    """Import with a policy that takes the objects along, and delete: a Job in the operator's namespace is to do it."""
    if removed["resources"] == ["leases"]:
        return  # It is renewed every few seconds.
    watched = replace(world, installation=replace(world.installation, namespace=f"{world.namespace}-imports"))
    name = watched.create("gone", {"source": {"url": world.file_url()}, "deletionPolicy": "Delete"})
    watched.wait_for_phase(name, "Ready")
    watched.kubectl("delete", "mediaimport", name, "--wait=false")


def test_operator_misses_every_rule_of_its_own_namespace(apart: World) -> None:
    (own,) = roles(apart, "operator")
    assert len(own["rules"]) == 3
    assert unmissed(apart, "operator", delete_something) == []


def test_helm_test_misses_every_rule_of_its_roles(rights: World) -> None:
    """Run its pod once for each rule, beside one another, each without one."""
    hooks = [each for each in yaml.safe_load_all(rights.installation.kube.helm(
        "get", "hooks", RELEASE, "--namespace", rights.namespace)) if each]  # fmt: skip
    rules = [
        (each["metadata"]["name"], number)
        for each in hooks
        if each["kind"] == "Role"
        for number in range(len(each["rules"]))
    ]
    for turn, (role, number) in enumerate(rules):
        rights.installation.kube.apply([renamed(lacking(each, role, number), turn) for each in hooks])
    for turn, (role, number) in enumerate(rules):
        pod = f"{RELEASE}-test-{turn}"
        rights.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", f"pod/{pod}", "--timeout=60s")
        said = rights.kubectl("logs", pod)
        assert "✗" in said, f"nobody misses {role}'s rule {number}:\n{said}"
    assert len(rules) == 2


def lacking(item: Object, role: str, number: int) -> Object:
    if (item["kind"], item["metadata"]["name"]) != ("Role", role):
        return item
    return item | {"rules": [rule for other, rule in enumerate(item["rules"]) if other != number]}


def renamed(item: Object, turn: int) -> Object:
    """Return a manifest of the test as one of another test's."""
    text = json.dumps(item).replace(f"{RELEASE}-test", f"{RELEASE}-test-{turn}")
    found: Object = json.loads(text)
    return found


def test_operator_misses_every_rule_of_its_roles(rights: World) -> None:
    assert unmissed(rights, "operator", import_something) == []


def test_shim_misses_every_rule_of_its_role(rights: World) -> None:
    assert unmissed(rights, "webhook", predict_something) == []
