from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from dev.cluster.node import certificates
from dev.cluster.node.processes import Plan, plan

if TYPE_CHECKING:
    from dev.cluster.cache import Cache

HOMES = {name: Path("/programs", name) for name in ("kubernetes", "versitygw")}


@pytest.fixture
def filled(cache: Cache) -> Cache:
    cache.scratch.mkdir(parents=True)
    certificates.make(cache)
    return cache


@pytest.fixture
def planned(filled: Cache) -> Plan:
    return plan(filled, HOMES)


def test_same_node_has_the_same_fingerprint(filled: Cache, planned: Plan) -> None:
    assert plan(filled, HOMES).fingerprint == planned.fingerprint


def test_newly_built_program_changes_the_fingerprint(filled: Cache, planned: Plan) -> None:
    assert plan(filled, {**HOMES, "kubernetes": Path("/programs/another")}).fingerprint != planned.fingerprint


def test_settings_change_the_fingerprint(planned: Plan) -> None:
    changed = Plan(planned.processes, {**planned.files, "kubelet.yaml": "maxPods: 1"})
    assert changed.fingerprint != planned.fingerprint


def test_settings_are_filled_in(planned: Plan) -> None:
    assert "$" not in "".join(planned.files.values())
    kubelet = yaml.safe_load(planned.files["kubelet.yaml"])
    assert kubelet["maxPods"] == 110
    assert kubelet["clusterDNS"] == ["10.96.0.10"]


def test_container_runtime_finds_the_registry_by_its_folders_name(planned: Plan) -> None:
    assert 'server = "http://10.99.0.2:5000"' in planned.files["certs.d/10.99.0.2:5000/hosts.toml"]


def test_processes_are_told_apart_by_name(planned: Plan) -> None:
    names = [process.name for process in planned.processes]
    assert len(set(names)) == len(names)
    assert {"apiserver", "kubelet", "versitygw"} <= set(names)


def test_secrets_are_not_on_a_command_line(planned: Plan, filled: Cache) -> None:
    keys = (filled.pki / "s3-keys.json").read_text()
    s3 = next(process for process in planned.processes if process.name == "versitygw")
    assert s3.environ
    for _, value in s3.environ:
        assert value in keys
        assert value not in " ".join(s3.argv)


def test_what_serves_the_api_does_not_wait_for_it(planned: Plan) -> None:
    early = {process.name for process in planned.processes if not process.needs_api}
    assert early == {"registry", "containerd", "etcd", "apiserver", "versitygw"}


def test_oldest_kubernetes_runs_with_the_current_etcd_and_dns(filled: Cache) -> None:
    oldest = plan(filled, {**HOMES, "kubernetes-1.33": Path("/programs/oldest")})
    programs = {process.name: Path(process.argv[0]).parent for process in oldest.processes}
    for name in ("apiserver", "controller-manager", "scheduler", "kubelet", "kube-proxy"):
        assert programs[name] == Path("/programs/oldest")
    for name in ("etcd", "coredns"):
        assert programs[name] == HOMES["kubernetes"]


def test_kubelet_of_the_oldest_kubernetes_has_no_setting_that_it_refuses(filled: Cache, planned: Plan) -> None:
    oldest = plan(filled, {**HOMES, "kubernetes-1.33": Path("/programs/oldest")})
    setting = "imagePullCredentialsVerificationPolicy"
    assert yaml.safe_load(planned.files["kubelet.yaml"])[setting] == "NeverVerify"
    assert setting not in yaml.safe_load(oldest.files["kubelet.yaml"])
