"""Permissions are minimal: the tests remove each rule in turn, and each time a program reports the refusal."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from dev.cluster.kubectl import Kube, KubeError
from tests.support.installation.helm import Installation, install
from tests.support.replicate.manifest import deploy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.installation.world import World

    Exercise = Callable[["World", "Object"], None]
    """Makes a program do what the rule is for."""

Object = dict[str, Any]
RELEASE = "rights"
VALUES = {
    "crds": {"enabled": False},
    # The operator reports an unreadable importer log at level debug only.
    "operator": {"logLevel": "debug"},
}


@pytest.fixture(scope="module")
def rights(environment: dict[str, str], world: World) -> Iterator[World]:
    """A release of its own, so that removed rules break no other test."""
    with world.second_release(environment, RELEASE, values=VALUES) as release:
        yield release


def roles(world: World, component: str) -> list[Object]:
    found: list[Object] = json.loads(
        world.kubectl("get", "roles", "-l", f"app.kubernetes.io/component={component}", "-o", "json")
    )["items"]
    return found


def unneeded(world: World, component: str, exercise: Exercise) -> list[str]:
    """Return the rules whose removal leaves no refusal in the program's log."""
    rules = [(role, number) for role in roles(world, component) for number in range(len(role["rules"]))]
    # Rules that need a restart of the program come last.
    rules.sort(key=lambda place: "watch" in place[0]["rules"][place[1]]["verbs"])
    return [
        f"{role['metadata']['name']}: {role['rules'][number]}"
        for role, number in rules
        if not is_needed(world, component, role, number, exercise)
    ]


def is_needed(world: World, component: str, role: Object, number: int, exercise: Exercise) -> bool:
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
        logs = world.kubectl("logs", "-l", selector, "--tail=-1", f"--since-time={since}").replace('\\"', '"')
    except KubeError:  # a pod that has no container yet
        return False
    return any(f'resource "{resource}"' in logs for resource in rule["resources"])


def import_something(world: World, removed: Object) -> None:
    """Create an import; restart the operator if the rule allows a watch."""
    if "watch" in removed["verbs"]:
        selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
        world.kubectl("delete", "pod", "-l", selector, "--wait=false")
    # The log is followed once the import is shown as Importing, which a short one never is.
    scenario = {"bytes_per_second": 100_000} if "pods/log" in removed["resources"] else {}
    world.create("rights", {"source": {"url": world.file_url(**scenario)}})


def predict_something(world: World, removed: Object) -> None:
    """Start a prediction and send a failed callback; restart the webhook for requests that it makes once."""
    kube, token = world.installation.kube, world.installation.first_token()
    if removed["resources"][0] in {"mediaimports", "deployments"}:
        # The old pod is gone: a kept-alive connection would lead to it.
        world.kubectl("delete", "pod", world.pod_of("webhook"), "--wait")
    if "watch" in removed["verbs"]:
        return  # The new pod never becomes ready.
    kube.wait_for_rollout(f"{RELEASE}-webhook", namespace=world.namespace)
    with kube.forward(world.installation.webhook, 80, namespace=world.namespace) as url:
        httpx.post(
            f"{url}/api/v1/replicate/wan-video-t2v",
            headers={"authorization": f"Bearer {token}", "idempotency-key": secrets.token_hex(8)},
            json={"prompt": "a rabbit"},
            timeout=20,
        )
    world.predict({"outcome": "failed"}, webhook=True)


@pytest.fixture(scope="module")
def apart(environment: dict[str, str], world: World) -> Iterator[World]:
    """A release that watches another namespace; in its own it runs cleanup Jobs only, with wrong keys."""
    kube = Kube(environment)
    namespace, watched = f"{world.namespace}-apart", f"{world.namespace}-apart-imports"
    remove_finalizers(kube, watched)
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
    remove_finalizers(kube, watched)
    kube.kubectl("delete", "namespace", namespace, watched, "--wait=false")


def remove_finalizers(kube: Kube, namespace: str) -> None:
    """Remove the finalizers, which would block the deletion of the namespace."""
    for item in kube.get("mediaimports", namespace=namespace)["items"]:
        name, free = item["metadata"]["name"], json.dumps({"metadata": {"finalizers": None}})
        kube.kubectl("patch", "mediaimport", name, "--type=merge", "--patch", free, namespace=namespace)


def delete_something(world: World, removed: Object) -> None:
    """Create and delete an import with deletionPolicy Delete: a Job in the operator's namespace deletes its objects."""
    if removed["resources"] == ["leases"]:
        return  # The operator renews the Lease every few seconds.
    watched = replace(world, installation=replace(world.installation, namespace=f"{world.namespace}-imports"))
    name = watched.create("gone", {"source": {"url": world.file_url()}, "deletionPolicy": "Delete"})
    watched.wait_for_phase(name, "Ready")
    watched.kubectl("delete", "mediaimport", name, "--wait=false")


def test_operator_needs_every_rule_of_its_own_namespace(apart: World) -> None:
    (own,) = roles(apart, "operator")
    assert len(own["rules"]) == 3
    assert unneeded(apart, "operator", delete_something) == []


def test_helm_test_needs_every_rule_of_its_roles(rights: World) -> None:
    """Run one pod for each rule, in parallel, each without its rule."""
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
        logs = rights.kubectl("logs", pod)
        assert "✗" in logs, f"no check needs {role}'s rule {number}:\n{logs}"
    assert len(rules) == 2


def lacking(item: Object, role: str, number: int) -> Object:
    if (item["kind"], item["metadata"]["name"]) != ("Role", role):
        return item
    return item | {"rules": [rule for other, rule in enumerate(item["rules"]) if other != number]}


def renamed(item: Object, turn: int) -> Object:
    """Return a manifest of the test with the names of another test."""
    text = json.dumps(item).replace(f"{RELEASE}-test", f"{RELEASE}-test-{turn}")
    found: Object = json.loads(text)
    return found


def test_operator_needs_every_rule_of_its_roles(rights: World) -> None:
    assert unneeded(rights, "operator", import_something) == []


def test_webhook_needs_every_rule_of_its_role(rights: World) -> None:
    assert unneeded(rights, "webhook", predict_something) == []
