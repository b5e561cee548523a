from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_checks.checklist import CheckError
from mediaimport_checks.cluster import Cluster, connect
from mediaimport_runtime.kubernetes.errors import (
    AlreadyExistsError,
    ForbiddenError,
    KubernetesError,
    NotFoundError,
    UnavailableError,
)

from tests.support.loopback.processes import free_port
from tests.support.loopback.threads import running

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]


@dataclass
class Failing:
    """Client that raises these errors, one for each request, and then answers {}."""

    errors: list[KubernetesError]
    requests: list[str] = field(default_factory=list)

    async def _answer(self, method: str) -> Object:
        self.requests.append(method)
        if self.errors:
            raise self.errors.pop(0)
        return {}

    async def get(self, _: str) -> Object:
        return await self._answer("GET")

    async def create(self, _: str, __: Object) -> Object:
        return await self._answer("POST")

    async def delete(self, _: str) -> Object:
        return await self._answer("DELETE")


def cluster(*errors: KubernetesError) -> tuple[Cluster, Failing]:
    client = Failing(list(errors))
    return Cluster(client, asyncio.run, pause_s=0), client


def no_answer() -> UnavailableError:
    error = UnavailableError("GET /apis: no answer")
    error.__cause__ = ConnectionRefusedError()
    return error


def test_request_without_an_answer_is_sent_again() -> None:
    checked, client = cluster(no_answer(), no_answer(), no_answer())
    assert checked.import_status("n", "i") == {}
    assert client.requests == ["GET"] * 4


def test_api_server_that_never_answers_is_reported_with_the_cause() -> None:
    checked, client = cluster(*(no_answer() for _ in range(9)))
    with pytest.raises(CheckError, match=r"does not answer \(ConnectionRefusedError\)") as failure:
        checked.import_status("n", "i")
    assert "networkpolicies" in failure.value.remedy
    assert client.requests == ["GET"] * 4


def test_refusal_is_reported_at_once_with_its_message() -> None:
    checked, client = cluster(ForbiddenError("mediaimports is forbidden", status=403))
    with pytest.raises(CheckError, match="403: mediaimports is forbidden"):
        checked.import_status("n", "i")
    assert client.requests == ["GET"]


def test_import_that_exists_after_a_lost_answer_is_created() -> None:
    checked, client = cluster(no_answer(), AlreadyExistsError("exists", status=409))
    checked.create_import("n", "i", {})
    assert client.requests == ["POST", "POST"]


def test_import_that_is_gone_is_deleted() -> None:
    checked, _ = cluster(NotFoundError("gone", status=404))
    checked.delete_import("n", "i")


def test_missing_import_is_reported_with_the_answer() -> None:
    checked, _ = cluster(NotFoundError("mediaimports not found", status=404))
    with pytest.raises(CheckError, match="404: mediaimports not found"):
        checked.import_status("n", "i")


class ApiServer(BaseHTTPRequestHandler):
    """API server that has one import, Ready."""

    def do_GET(self) -> None:
        body = json.dumps({"metadata": {"name": "i"}, "status": {"phase": "Ready"}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def kubeconfig(folder: Path, port: int) -> str:
    file = folder / "kubeconfig"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "c", "user": {}}],
    }
    file.write_text(json.dumps(config))
    return str(file)


def test_requests_reach_the_api_server_of_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), ApiServer)) as port:
        monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, port))
        with connect() as checked:
            assert [checked.import_status("n", "i") for _ in range(2)] == [{"phase": "Ready"}] * 2


def test_closed_port_is_reported_by_the_name_of_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, free_port()))
    with connect() as checked, pytest.raises(CheckError, match=r"does not answer \(ClientConnectorError\)"):
        Cluster(checked.client, checked.run, pause_s=0).import_status("n", "i")
