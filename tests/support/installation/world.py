"""World of an end-to-end test: an installation on the cluster, the stand-in for Replicate and the store."""

from __future__ import annotations

import base64
import json
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api import names

from dev.cluster.kubectl import KubeError
from tests.support.installation.helm import Installation, install
from tests.support.replicate.manifest import deploy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    import httpx
    from mypy_boto3_s3 import S3Client

Resource = dict[str, Any]
TERMINAL = {"Ready", "Failed"}


@dataclass(frozen=True)
class World:
    """A release of the chart in its own namespace, the stand-in for Replicate, the store."""

    installation: Installation
    film: bytes
    """File that the stand-in serves."""
    bucket: str
    store: S3Client
    tls: ssl.SSLContext
    """Context that trusts the store's certificate."""
    replicate: httpx.Client

    @property
    def namespace(self) -> str:
        """Namespace of the MediaImports."""
        return self.installation.namespace

    @property
    def film_sha256(self) -> str:
        """SHA-256 of the film."""
        return sha256(self.film).hexdigest()

    @contextmanager
    def second_release(
        self, environment: Mapping[str, str], name: str, *, release: str = "", values: Resource
    ) -> Iterator[World]:
        """Install another release in its own namespace, for tests that break it."""
        kube, namespace = self.installation.kube, f"{self.namespace}-{name}"
        kube.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait")
        replicate = deploy(kube, image=environment["MEDIAIMPORT_DEV_IMAGE"], namespace=f"{self.namespace}-replicate")
        installation = Installation(kube, namespace, release or name)
        install(installation, environment, replicate=replicate, values=values)
        try:
            yield replace(self, installation=installation)
        finally:
            kube.kubectl("delete", "namespace", namespace, "--wait=false")

    # --- kubectl ---

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Return what kubectl prints; KubeError with its error output."""
        return self.installation.kube.kubectl(*arguments, namespace=self.namespace, given=given)

    def refused(self, manifest: Resource) -> str:
        """Return the API server's refusal of a manifest."""
        with pytest.raises(KubeError) as refusal:
            self.kubectl("create", "-f", "-", given=json.dumps(manifest))
        return str(refusal.value)

    def patch(self, name: str, change: Resource) -> None:
        """Change a resource by merge patch."""
        self.kubectl("patch", "mi", name, "--type=merge", "--patch", json.dumps(change))

    def patch_refused(self, name: str, change: Resource) -> str:
        """Return the API server's refusal of a change."""
        with pytest.raises(KubeError) as refusal:
            self.patch(name, change)
        return str(refusal.value)

    # --- resources ---

    def manifest(self, name: str, spec: Resource) -> Resource:
        """Return a MediaImport."""
        return {
            "apiVersion": "mediaimport.dev/v1alpha1",
            "kind": "MediaImport",
            "metadata": {"name": name},
            "spec": spec,
        }

    def create(self, name: str, spec: Resource, *, unique: bool = True) -> str:
        """Create a MediaImport and return its name."""
        name = f"{name}-{secrets.token_hex(3)}" if unique else name
        self.kubectl("create", "-f", "-", given=json.dumps(self.manifest(name, spec)))
        return name

    def get(self, name: str) -> Resource:
        """Return a MediaImport; its status is at least {}."""
        return {"status": {}} | self._json("get", "mi", name)

    def resources(self) -> list[Resource]:
        """Return all MediaImports."""
        return list(self._json("get", "mi")["items"])

    def names(self) -> set[str]:
        """Return the names of all MediaImports."""
        return {each["metadata"]["name"] for each in self.resources()}

    def jobs(self, name: str) -> list[str]:
        """Return the names of the import's Jobs."""
        uid = self.get(name)["metadata"]["uid"]
        return [
            each["metadata"]["name"] for each in self._json("get", "jobs", "-l", f"mediaimport.dev/uid={uid}")["items"]
        ]

    def importer_pod(self, name: str) -> Resource:
        """Return the newest pod of the import, {} while there is none."""
        return max(self._owned("pods", name), key=lambda pod: pod["metadata"]["creationTimestamp"], default={})

    def importer_ended(self, name: str) -> bool:
        """Tell whether the importer's container has ended."""
        statuses = self.importer_pod(name).get("status", {}).get("containerStatuses", [])
        return any("terminated" in each["state"] for each in statuses if each["name"] == "importer")

    def imports_of(self, prediction: str) -> dict[str, str]:
        """Return the names of a prediction's MediaImports, each with the pointer to its output."""
        providers = {each["metadata"]["name"]: each["spec"]["source"].get("provider", {}) for each in self.resources()}
        return {name: each.get("pointer", "") for name, each in providers.items() if each.get("id") == prediction}

    def import_of(self, prediction: str, *, timeout_s: float = 30) -> str:
        """Return the name of the MediaImport of a prediction; wait for it."""
        self.wait_until(lambda: bool(self.imports_of(prediction)), f"an import of {prediction}", timeout_s=timeout_s)
        (name,) = self.imports_of(prediction)
        return name

    def wait_for_phase(self, name: str, phase: str, *, timeout_s: float = 60) -> Resource:
        """Return the MediaImport as it was in the phase; AssertionError at once if it ends in another."""
        seen: Resource = {}

        def arrived() -> bool:
            nonlocal seen
            seen = self.get(name)
            status = seen["status"]
            assert status.get("phase") == phase or status.get("phase") not in TERMINAL, json.dumps(status, indent=1)
            return bool(status.get("phase") == phase)

        self.wait_until(arrived, f"{name} in phase {phase}", timeout_s=timeout_s)
        return seen

    def wait_until(self, condition: Callable[[], bool], goal: str, *, timeout_s: float = 60) -> None:
        """Wait for a condition; AssertionError with the namespace's state when it does not come."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"no {goal} within {timeout_s} s:\n{self._state()}"
            time.sleep(0.1)

    def _owned(self, kind: str, name: str) -> list[Resource]:
        uid = self.get(name)["metadata"]["uid"]
        return list(self._json("get", kind, "-l", f"{names.LABEL_UID}={uid}")["items"])

    def _state(self) -> str:
        return self.kubectl("get", "mi,jobs,pods", "-o", "wide")

    def _json(self, *arguments: str) -> Resource:
        found: Resource = json.loads(self.kubectl(*arguments, "-o", "json"))
        return found

    # --- faults ---

    def pod_of(self, component: str) -> str:
        """Return the name of the release's running operator or webhook."""
        pods = self._json("get", "pods", "-l", self._selector(component))["items"]
        (name,) = [each["metadata"]["name"] for each in pods if "deletionTimestamp" not in each["metadata"]]
        return str(name)

    def has_pod_of(self, component: str) -> bool:
        """Tell whether the release has an operator or webhook that is not terminating."""
        pods = self._json("get", "pods", "-l", self._selector(component))["items"]
        return any("deletionTimestamp" not in each["metadata"] for each in pods)

    def kill_pod(self, name: str) -> None:
        """Delete a pod without a grace period, as a lost node would."""
        self.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")

    def scale(self, component: str, replicas: int) -> None:
        """Set how many pods the component has, and wait for it."""
        selector = self._selector(component)
        self.kubectl("scale", "deployment", "-l", selector, f"--replicas={replicas}")
        self.wait_until(
            lambda: len(self._json("get", "pods", "-l", selector)["items"]) == replicas, f"{replicas} {component} pods"
        )

    def _selector(self, component: str) -> str:
        return f"app.kubernetes.io/instance={self.installation.release},app.kubernetes.io/component={component}"

    @contextmanager
    def store_setting(self, kind: str, name: str, field: str, value: str) -> Iterator[None]:
        """Change one key of a Secret or ConfigMap that the importers read, for the length of the block."""
        data = "stringData" if kind == "secret" else "data"
        before = self._json("get", kind, name)["data"][field]
        self.kubectl("patch", kind, name, "--patch", json.dumps({data: {field: value}}))
        try:
            yield
        finally:
            self.kubectl("patch", kind, name, "--patch", json.dumps({"data": {field: before}}))

    @contextmanager
    def operator_setting(self, name: str, value: str) -> Iterator[None]:
        """Run the operator with another setting for the length of the block."""
        before = self.operator_variable(name)
        self._set_operator_variable(name, value)
        try:
            yield
        finally:
            self._set_operator_variable(name, before)

    def operator_variable(self, name: str) -> str:
        """Return one of the operator's settings."""
        (container,) = self._json("get", self._operator)["spec"]["template"]["spec"]["containers"]
        return next((str(each["value"]) for each in container["env"] if each["name"] == name), "")

    def _set_operator_variable(self, name: str, value: str) -> None:
        self.kubectl("set", "env", self._operator, f"{name}={value}" if value else f"{name}-")
        self.kubectl("rollout", "status", self._operator, "--timeout=120s")

    @property
    def _operator(self) -> str:
        return f"deployment/{self.installation.release}-operator"

    @contextmanager
    def quota(self, hard: str) -> Iterator[None]:
        """Limit the objects of a kind in the namespace for the length of the block, e.g. `count/pods=0`."""
        self.kubectl("create", "quota", "none", f"--hard={hard}")
        try:
            self.kubectl("wait", "--for=jsonpath={.status.hard}", "quota/none", "--timeout=60s")
            yield
        finally:
            self.kubectl("delete", "quota", "none")

    # --- Replicate ---

    def predict(self, scenario: Resource, *, webhook: bool) -> Resource:
        """Start a prediction at the stand-in."""
        body: Resource = {"input": {"prompt": "a rabbit", "stand_in": {"seconds": 0.2} | scenario}}
        if webhook:
            webhook_url = f"{self.installation.webhook_url}/api/v1/replicate/webhook"
            body |= {"webhook": webhook_url, "webhook_events_filter": ["completed"]}
        answer = self.replicate.post("/v1/models/stand-in/video/predictions", json=body)
        answer.raise_for_status()
        prediction: Resource = answer.json()
        return prediction

    def file_url(self, **scenario: object) -> str:
        """Return the URL of a file that behaves as the scenario says."""
        prediction = self.predict({"seconds": 0} | scenario, webhook=False)
        view: Resource = {}

        def finished() -> bool:
            nonlocal view
            view = self.replicate.get(f"/v1/predictions/{prediction['id']}").json()
            return bool(view["status"] == "succeeded")

        self.wait_until(finished, "a finished prediction")
        return str(view["output"])

    # --- the webhook ---

    def finished_asset(self, webhook: httpx.Client, asset_id: str) -> Resource:
        """Return the webhook's JSON of an asset, polled as a frontend does until it is ready or failed."""
        asset: Resource = {}

        def finished() -> bool:
            nonlocal asset
            asset = webhook.get(f"/api/v1/media/{asset_id}").json()
            return bool(asset["status"] != "uploading")

        self.wait_until(finished, "a ready or failed asset")
        return asset

    # --- the store ---

    def objects(self, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        return [
            each["Key"] for each in self.store.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        ]

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        return self.store.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def modified(self, key: str) -> datetime:
        """Return when an object was written."""
        return self.store.head_object(Bucket=self.bucket, Key=key)["LastModified"]


def reasons_of(resource: Resource) -> list[str]:
    """Return the reason of each attempt of an import, in their order."""
    return [each["reason"] for each in sorted(resource["status"]["attempts"], key=lambda each: each["number"])]


def sha256_of_store(world: World, key: str) -> str:
    """Return the SHA-256 that the store has computed, in hex."""
    head = world.store.head_object(Bucket=world.bucket, Key=key, ChecksumMode="ENABLED")
    return base64.b64decode(head["ChecksumSHA256"]).hex()
