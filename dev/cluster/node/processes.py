"""Processes of the node: names, command lines and settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from dev.cluster import addresses
from dev.cluster.node.s3 import S3Keys
from dev.cluster.programs.go import OLDEST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.cluster.cache import Cache

TEMPLATES = Path(__file__).parent / "settings" / "templates"
# Paths of the templates that do not keep their own name.
_RENDERED = {"hosts.toml": f"certs.d/{addresses.REGISTRY}/hosts.toml", "bridge.conflist": "cni/bridge.conflist"}


@dataclass(frozen=True)
class Process:
    """Program that runs as long as the node."""

    name: str
    argv: tuple[str, ...]
    environ: tuple[tuple[str, str], ...] = ()
    # Started once the API server answers: retrying later costs more than waiting.
    needs_api: bool = False


@dataclass(frozen=True)
class Plan:
    """Processes and settings files of a node."""

    processes: tuple[Process, ...]
    files: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Hash of the plan: a running node with another one has to be replaced."""
        return hashlib.sha256(repr((self.processes, sorted(self.files.items()))).encode()).hexdigest()

    def process(self, name: str) -> Process | None:
        """Return the process of that name."""
        return next((process for process in self.processes if process.name == name), None)


def plan(cache: Cache, homes: Mapping[str, Path]) -> Plan:
    """Return the node's processes and settings; `homes` has the folder of each Go module's programs."""
    return Plan(processes=_processes(cache, homes), files=_files(cache, homes))


def _files(cache: Cache, homes: Mapping[str, Path]) -> dict[str, str]:
    values = {
        "node": cache.node,
        "etc": cache.node / "etc",
        "pki": cache.pki,
        "registry_data": cache.registry,
        "registry": addresses.REGISTRY,
        "pods": addresses.PODS,
        "dns_service": addresses.DNS_SERVICE,
        "api_server": addresses.API_SERVER,
        # The kubelet of 1.33 refuses the setting, whose feature is off in it.
        "pull_policy": "" if OLDEST.name in homes else "imagePullCredentialsVerificationPolicy: NeverVerify",
    }
    return {
        _RENDERED.get(template.name, template.name): Template(template.read_text()).substitute(values)
        for template in sorted(TEMPLATES.iterdir())
    }


def _processes(cache: Cache, homes: Mapping[str, Path]) -> tuple[Process, ...]:
    etc, current = cache.node / "etc", homes["kubernetes"]
    kubernetes = homes.get(OLDEST.name, current)
    return (
        Process("registry", ("/usr/bin/docker-registry", "serve", f"{etc}/registry.yaml")),
        Process("containerd", ("/usr/bin/containerd", "--config", f"{etc}/containerd.toml")),
        _etcd(current),
        _api_server(kubernetes, cache.pki),
        _s3(homes["versitygw"], cache),
        _controller_manager(kubernetes, cache.pki),
        Process(
            "scheduler",
            (
                f"{kubernetes}/kube-scheduler",
                *_kubeconfigs(cache.pki / "scheduler.kubeconfig"),
                *_SINGLE,
                *_FAST,
            ),
            needs_api=True,
        ),
        Process(
            "kubelet",
            (
                f"{kubernetes}/kubelet",
                f"--config={etc}/kubelet.yaml",
                f"--kubeconfig={cache.pki}/kubelet.kubeconfig",
                f"--hostname-override={addresses.NODE_NAME}",
                f"--node-ip={addresses.NODE}",
                "--cert-dir=/run/kubelet-pki",
            ),
            needs_api=True,
        ),
        Process(
            "kube-proxy",
            (
                f"{kubernetes}/kube-proxy",
                f"--config={etc}/kube-proxy.yaml",
                f"--hostname-override={addresses.NODE_NAME}",
            ),
            needs_api=True,
        ),
        # A process, not a pod: names resolve before the first pod runs.
        Process("coredns", (f"{current}/coredns", "-conf", f"{etc}/Corefile"), needs_api=True),
    )


# There is one of each: no leader election.
_SINGLE = ("--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false")
# The default of thirty requests a second limits Jobs to a few a second.
_FAST = ("--kube-api-qps=1000", "--kube-api-burst=2000")


def _kubeconfigs(file: Path) -> tuple[str, ...]:
    return tuple(f"--{purpose}kubeconfig={file}" for purpose in ("", "authentication-", "authorization-"))


def _etcd(home: Path) -> Process:
    clients, peers = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return Process(
        "etcd",
        (
            f"{home}/etcd",
            "--name=etcd",
            "--data-dir=/run/etcd",  # in memory, gone with the node: nothing to sync
            "--unsafe-no-fsync",
            # Thousands of imports in minutes write more than the 2 GiB at which etcd refuses to.
            f"--quota-backend-bytes={4 * 1024**3}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=etcd={peers}",
        ),
    )


def _api_server(home: Path, pki: Path) -> Process:
    return Process(
        "apiserver",
        (
            f"{home}/kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={addresses.NODE}",
            f"--service-cluster-ip-range={addresses.SERVICES}",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--client-ca-file={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/service-accounts.pub",
            f"--service-account-signing-key-file={pki}/service-accounts.key",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--requestheader-client-ca-file={pki}/front-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki}/front-client.crt",
            f"--proxy-client-key-file={pki}/front-client.key",
            "--enable-aggregator-routing=true",
            "--etcd-compaction-interval=1m",
            "--profiling=false",
        ),
    )


def _controller_manager(home: Path, pki: Path) -> Process:
    return Process(
        "controller-manager",
        (
            f"{home}/kube-controller-manager",
            *_kubeconfigs(pki / "controller-manager.kubeconfig"),
            *_SINGLE,
            *_FAST,
            "--concurrent-job-syncs=20",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={pki}/service-accounts.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            f"--requestheader-client-ca-file={pki}/front-ca.crt",
        ),
        needs_api=True,
    )


def _s3(home: Path, cache: Cache) -> Process:
    keys = S3Keys.read(cache)
    return Process(
        "versitygw",
        (
            f"{home}/versitygw",
            *("--port", addresses.S3),
            *("--cert", f"{cache.pki}/s3.crt"),
            *("--key", f"{cache.pki}/s3.key"),
            "posix",
            f"{cache.node}/s3",
        ),
        environ=(("ROOT_ACCESS_KEY", keys.access_key_id), ("ROOT_SECRET_KEY", keys.secret_access_key)),
    )
