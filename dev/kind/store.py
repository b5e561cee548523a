"""SeaweedFS in the cluster: pods reach it by its Service, this machine by a port of the node. Pure but for `deploy`."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING

from dev.cluster.node import certificates
from dev.cluster.node.certificates import Subject

if TYPE_CHECKING:
    from pathlib import Path

    from dev.cluster.kubectl import Kube, Object

NAMESPACE = "mediaimport-s3"
NAME = "s3"
PORT, NODE_PORT = 8333, 30833
BUCKET, REGION, ACCESS, SECRET = "media", "us-east-1", "demo", "demo-secret-of-a-local-store"
INSIDE = f"https://{NAME}.{NAMESPACE}.svc:{PORT}"
OUTSIDE = f"https://127.0.0.1:{NODE_PORT}"
_HOSTS = ("localhost", NAME, f"{NAME}.{NAMESPACE}", f"{NAME}.{NAMESPACE}.svc")
_CONFIGURATION = "/etc/seaweedfs"
COMMAND = (
    *("server", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-dir=/data", "-volume.max=20", "-master.volumeSizeLimitMB=256"),
    *("-filer", "-s3", f"-s3.port={PORT}", "-iam=false", f"-s3.config={_CONFIGURATION}/s3.json"),
    *(f"-s3.cert.file={_CONFIGURATION}/tls.crt", f"-s3.key.file={_CONFIGURATION}/tls.key"),
)


def variables(authority: Path) -> dict[str, str]:
    """Return the S3_… variables of this machine."""
    return {
        "S3_ENDPOINT_URL": OUTSIDE,
        "S3_BUCKET_NAME": BUCKET,
        "S3_REGION": REGION,
        "S3_ACCESS_KEY_ID": ACCESS,
        "S3_SECRET_ACCESS_KEY": SECRET,
        "S3_CA_BUNDLE": str(authority),
    }


def values() -> Object:
    """Return the chart's values: pods use the Service, presigned URLs are this machine's."""
    return {"s3": {"endpointUrl": INSIDE, "publicEndpointUrl": OUTSIDE}}


def deploy(kube: Kube, *, image: str, authority: Path) -> None:
    """Run the store; write the certificate of its authority. Its objects are lost with its pod."""
    pair = certificates.authority("mediaimport-demo-s3")
    own = certificates.issue(pair, Subject("s3", dns_names=_HOSTS, addresses=("127.0.0.1",)))
    authority.write_bytes(pair.certificate_pem)
    kube.apply(manifests(image, certificate=own.certificate_pem, key=own.key_pem))
    kube.wait_for_rollout(NAME, namespace=NAMESPACE)


def manifests(image: str, *, certificate: bytes, key: bytes) -> list[Object]:
    """Return Namespace, Secret, Service and Deployment."""
    identity = {"name": "demo", "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}]}
    identities = {"identities": [identity | {"actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
    files = {"tls.crt": certificate, "tls.key": key, "s3.json": json.dumps(identities).encode()}
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    about = {"name": NAME, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/name": NAME}}
    port = {"name": "https", "port": PORT, "targetPort": PORT, "nodePort": NODE_PORT}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": about, "data": data},
        {
            "apiVersion": "v1", "kind": "Service", "metadata": about,
            "spec": {"type": "NodePort", "selector": about["labels"], "ports": [port]},
        },
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": about,
            "spec": {
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": about["labels"]},
                "template": {
                    # A new certificate starts a new pod, which alone reads it.
                    "metadata": {
                        "labels": about["labels"],
                        "annotations": {"mediaimport.dev/certificate": hashlib.sha256(certificate).hexdigest()[:16]},
                    },
                    "spec": _pod(image),
                },
            },
        },
    ]  # fmt: skip


def _pod(image: str) -> Object:
    container = {
        "name": NAME,
        "image": image,
        "args": list(COMMAND),
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "configuration", "mountPath": _CONFIGURATION},
            {"name": "data", "mountPath": "/data"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        ],
    }
    return {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532},
        "containers": [container],
        "volumes": [
            {"name": "configuration", "secret": {"secretName": NAME}},
            {"name": "data", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
