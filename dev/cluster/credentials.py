"""The files with which the parts of the cluster, and people, prove who they are."""

import base64
import json
import os
import secrets

from dev.cluster import addresses, pki
from dev.cluster.pki import Pair, Subject
from dev.cluster.places import Places

_SERVERS = {
    "apiserver": Subject(
        "kube-apiserver",
        dns_names=(
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
        ),
        addresses=("127.0.0.1", addresses.API_SERVICE, addresses.NODE),
    ),
    "kubelet-server": Subject(
        addresses.NODE_NAME, dns_names=(addresses.NODE_NAME,), addresses=(addresses.NODE, "127.0.0.1")
    ),
    "s3": Subject("s3", dns_names=("localhost",), addresses=(addresses.NODE, "127.0.0.1")),
}
_CLIENTS = {"apiserver-kubelet": Subject("kube-apiserver-kubelet-client", organization="system:masters")}
# Those who talk to the API server get a kubeconfig.
_USERS = {
    "admin": Subject("mediaimport-admin", organization="system:masters"),
    "controller-manager": Subject("system:kube-controller-manager"),
    "scheduler": Subject("system:kube-scheduler"),
    "kubelet": Subject(f"system:node:{addresses.NODE_NAME}", organization="system:nodes"),
    "proxy": Subject("system:kube-proxy"),
}


def make(places: Places) -> None:
    """Write all of them, once: they stay the same from one node to the next."""
    if places.pki.exists():
        return
    unfinished = places.scratch / "pki"
    unfinished.mkdir(parents=True, mode=0o700)
    for name, content in _files().items():
        with open(os.open(unfinished / name, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:  # noqa: PTH123 (born private)
            file.write(content)
    unfinished.rename(places.pki)


def kubeconfig(user: str, pair: Pair, authority: Pair) -> bytes:
    """Return a kubeconfig (JSON is YAML) that carries its certificates."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "mediaimport",
            "contexts": [{"name": "mediaimport", "context": {"cluster": "mediaimport", "user": user}}],
            "clusters": [
                {
                    "name": "mediaimport",
                    "cluster": {
                        "server": addresses.API_SERVER,
                        "certificate-authority-data": _base64(authority.certificate_pem),
                    },
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": _base64(pair.certificate_pem),
                        "client-key-data": _base64(pair.key_pem),
                    },
                }
            ],
        },
        indent=1,
    ).encode()


def _files() -> dict[str, bytes]:
    cluster, front = pki.authority("mediaimport-ca"), pki.authority("mediaimport-front-proxy-ca")
    users = {name: pki.issue(cluster, subject) for name, subject in _USERS.items()}
    pairs = {
        "ca": cluster,
        "front-ca": front,
        "front-client": pki.issue(front, Subject("front-proxy-client")),
        **{name: pki.issue(cluster, subject) for name, subject in (_SERVERS | _CLIENTS).items()},
        "admin": users["admin"],
    }
    files = {f"{name}.crt": pair.certificate_pem for name, pair in pairs.items()}
    files |= {f"{name}.key": pair.key_pem for name, pair in pairs.items()}
    files |= {f"{name}.kubeconfig": kubeconfig(name, pair, cluster) for name, pair in users.items()}
    return files | _service_account_files() | _s3_files()


def _service_account_files() -> dict[str, bytes]:
    key = pki.service_account_key()
    return {"service-accounts.key": pki.private_pem(key), "service-accounts.pub": pki.public_pem(key)}


def _s3_files() -> dict[str, bytes]:
    keys = {"access_key_id": secrets.token_hex(10), "secret_access_key": secrets.token_urlsafe(30)}
    return {"s3-keys.json": json.dumps(keys).encode()}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
