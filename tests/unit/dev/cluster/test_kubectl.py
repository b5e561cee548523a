from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from dev.cluster.kubectl import Kube, KubeError
from dev.cluster.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def program(folder: Path, name: str, script: str) -> Kube:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return Kube({"PATH": f"{folder}:/usr/bin:/bin"})


def test_failure_says_what_was_run_and_what_it_said(tmp_path: Path) -> None:
    kube = program(tmp_path, "kubectl", "echo no such pod >&2; exit 3")
    with pytest.raises(KubeError, match=r"kubectl --namespace here get pod failed \(3\): no such pod"):
        kube.kubectl("get", "pod", namespace="here")


def test_what_is_given_is_read_from_standard_input(tmp_path: Path) -> None:
    assert program(tmp_path, "kubectl", "cat").kubectl("apply", given="{}") == "{}"


def test_forward_yields_the_port_that_kubectl_chose_and_ends_it(tmp_path: Path) -> None:
    kube = program(
        tmp_path, "kubectl", f"echo $$ > {tmp_path}/pid; echo 'Forwarding from 127.0.0.1:4711 -> 80'; exec sleep 60"
    )
    with kube.forward("service/a", 80, namespace="here") as url:
        assert url == "http://127.0.0.1:4711"
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_forward_that_ends_begins_again_at_the_same_port(tmp_path: Path) -> None:
    kube = program(
        tmp_path,
        "kubectl",
        f"echo $$ $5 >> {tmp_path}/started; echo 'Forwarding from 127.0.0.1:4711 -> 80'; exec sleep 60",
    )
    started = tmp_path / "started"
    with kube.forward("service/a", 80, namespace="here"):
        os.kill(int(started.read_text().split()[0]), signal.SIGKILL)
        until(lambda: len(started.read_text().splitlines()) > 1, timeout_s=10, what="another start")
    (_, first), (pid, second) = (line.split() for line in started.read_text().splitlines())
    assert (first, second) == (":80", "4711:80")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_forward_that_cannot_be_says_why(tmp_path: Path) -> None:
    kube = program(tmp_path, "kubectl", "echo 'services a not found' >&2; exit 1")
    with (
        pytest.raises(KubeError, match="cannot reach service/a: services a not found"),
        kube.forward("service/a", 80, namespace="here"),
    ):
        pass


def test_proxy_yields_the_address_that_kubectl_chose(tmp_path: Path) -> None:
    kube = program(tmp_path, "kubectl", "echo 'Starting to serve on 127.0.0.1:4711'; exec sleep 60")
    with kube.proxy() as url:
        assert url == "http://127.0.0.1:4711"
