"""PostgreSQL in a namespace of its own: Secret, Service and Deployment. Pure but for `deploy` and the queries."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dev.cluster.node import certificates
from dev.cluster.node.certificates import Subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.cluster.kubectl import Kube, Object

NAMESPACE = "postgresql"
NAME = "postgresql"
SECRET = "catalogue"  # noqa: S105 - the name of the Secret that a release reads
PORT = 5432
_LABELS = {"app.kubernetes.io/name": NAME}
_CONFIGURATION = "/etc/postgresql"
_AUTHORITY = "/etc/catalogue-ca"


@dataclass(frozen=True)
class Database:
    """The database `media` in a cluster, with the role `webhook`."""

    kube: Kube
    namespace: str

    @property
    def values(self) -> Object:
        """The chart's values with which a release uses it, once `admit` has made the Secret."""
        volume = {
            "name": "catalogue-ca",
            "secret": {"secretName": SECRET, "items": [{"key": "ca.crt", "path": "ca.crt"}]},
        }
        mount = {"name": "catalogue-ca", "mountPath": _AUTHORITY, "readOnly": True}
        return {
            "catalogue": {"urlSecretRef": {"name": SECRET}},
            "webhook": {"extraVolumes": [volume], "extraVolumeMounts": [mount]},
        }

    def admit(self, namespace: str) -> None:
        """Write the Secret with URL and certificate authority to a release's namespace."""
        own = self.kube.get("secret", NAME, namespace=self.namespace)["data"]
        password = base64.b64decode(own["password"]).decode()
        host = f"{NAME}.{self.namespace}.svc"
        url = f"postgresql://webhook:{password}@{host}:{PORT}/media?sslmode=verify-full&sslrootcert={_AUTHORITY}/ca.crt"
        data = {"url": base64.b64encode(url.encode()).decode(), "ca.crt": own["ca.crt"]}
        about = {"name": SECRET, "namespace": namespace}
        self.kube.apply([
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": about, "data": data},
        ])  # fmt: skip

    def psql(self, statement: str, *options: str) -> str:
        """Return what psql prints."""
        command = ("psql", "--no-psqlrc", *options, f"--command={statement}")
        return self.kube.kubectl("exec", f"deployment/{NAME}", "--", *command, namespace=self.namespace)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        text = self.psql(f"SELECT coalesce(json_agg(each), '[]') FROM ({query}) AS each", "--tuples-only", "--no-align")  # noqa: S608 - our own
        found: list[dict[str, Any]] = json.loads(text)
        return found


def deploy(kube: Kube, *, image: str, namespace: str = NAMESPACE) -> Database:
    """Run it from the image `mediaimport-postgresql`, with the password and the certificate of the run before."""
    found = kube.kubectl("get", "secret", NAME, "--ignore-not-found", "--output", "json", namespace=namespace)
    data = json.loads(found)["data"] if found else _new_secret(namespace)
    kube.apply(manifests(image, namespace=namespace, data=data))
    kube.wait_for_rollout(NAME, namespace=namespace)
    return Database(kube, namespace)


def _new_secret(namespace: str) -> dict[str, str]:
    authority = certificates.authority("mediaimport-demo-postgresql")
    own = certificates.issue(authority, Subject(NAME, dns_names=(f"{NAME}.{namespace}.svc",)))
    files = {
        "ca.crt": authority.certificate_pem,
        "tls.crt": own.certificate_pem,
        "tls.key": own.key_pem,
        "password": secrets.token_hex(16).encode(),
    }
    return {name: base64.b64encode(content).decode() for name, content in files.items()}


def manifests(image: str, *, namespace: str, data: Mapping[str, str]) -> list[Object]:
    """Return Namespace, Secret, Service and Deployment. The data are lost with the pod: a new one is filled again."""
    about = {"name": NAME, "namespace": namespace, "labels": _LABELS}
    pod_security = {"pod-security.kubernetes.io/enforce": "restricted"}
    deployment = {
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": _LABELS}, "spec": _pod(image)},
    }
    service = {"selector": _LABELS, "ports": [{"name": "postgresql", "port": PORT, "targetPort": PORT}]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": pod_security}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": about, "data": data},
        {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": service},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": deployment},
    ]


def _pod(image: str) -> Object:
    ready = ["pg_isready", "--host=127.0.0.1", "--quiet"]
    container = {
        "name": NAME,
        "image": image,
        "readinessProbe": {"exec": {"command": ready}, "periodSeconds": 2, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "configuration", "mountPath": _CONFIGURATION, "readOnly": True},
            {"name": "data", "mountPath": "/data"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        ],
    }
    identity = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": identity | {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            # The server refuses a key that others may read.
            {"name": "configuration", "secret": {"secretName": NAME, "defaultMode": 0o440}},
            {"name": "data", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
