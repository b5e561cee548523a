"""The operator as a process over a fake API server: its start, its faults, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import import_job

from tests.support.fake_api.faults import answer
from tests.support.fake_api.server import FakeApi, html
from tests.support.loopback.processes import free_port

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

pytestmark = pytest.mark.anyio
TIMEOUT_S = 60
VARIABLES = {
    "OPERATOR_NAMESPACE": "media",
    "POD_UID": "ours",
    "IMPORTER_IMAGE": "importer:1",
    "PROBER_IMAGE": "prober:1",
    "S3_BUCKET_NAME": "bucket",
    "IMPORTER_CONFIG_MAP": "importer",
    "S3_SECRET_NAME": "store",
}


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi().serving() as serving:
        yield serving


@asynccontextmanager
async def operator(api: FakeApi, folder: Path) -> AsyncIterator[Process]:
    variables = os.environ | VARIABLES | {"KUBECONFIG": str(api.kubeconfig(folder)), "PROBE_PORT": str(free_port())}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "mediaimport_operator", env=variables)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(process: Process, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            assert process.returncode is None
            await asyncio.sleep(0.05)


async def exit_code(process: Process) -> int:
    process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), TIMEOUT_S)


def holders(api: FakeApi) -> list[str]:
    return [each["spec"]["holderIdentity"] for each in api.objects.of("leases")]


async def test_sigterm_during_the_start_releases_the_lease(api: FakeApi, tmp_path: Path) -> None:
    listing, _ = api.hang("GET .*/mediaimports")
    async with operator(api, tmp_path) as process:
        await asyncio.wait_for(listing.met.wait(), TIMEOUT_S)
        assert holders(api) == ["ours"]
        await exit_code(process)
    assert holders(api) == [""]


async def test_sigterm_releases_the_lease_and_ends_with_success(api: FakeApi, build: Build, tmp_path: Path) -> None:
    api.put("mediaimports", build.mediaimport())
    async with operator(api, tmp_path) as process:
        await until(process, lambda: bool(api.objects.of("jobs")))
        assert await exit_code(process) == 0
    assert holders(api) == [""]


@pytest.mark.parametrize("act", [html(200), answer(429, "{}", {"Retry-After": "1"})], ids=["page", "429"])
async def test_import_survives_answers_that_are_not_the_api_servers(
    api: FakeApi, build: Build, tmp_path: Path, act: object
) -> None:
    fault = api.fault("(POST|PATCH|PUT) .*/(jobs|mediaimports)", act, times=4)  # type: ignore[arg-type]
    api.put("mediaimports", build.mediaimport())
    async with operator(api, tmp_path) as process:
        await until(process, lambda: bool(api.objects.of("jobs")))
        assert (fault.count == 4, process.returncode) == (True, None)
        assert await exit_code(process) == 0


async def test_streams_of_many_logs_hold_up_neither_lease_nor_reconciles(
    api: FakeApi, build: Build, tmp_path: Path
) -> None:
    for number in range(120):
        for kind, item in running(build, number).items():
            api.put(kind, item)
    api.hang("GET .*/log")
    async with operator(api, tmp_path) as process:
        await until(process, lambda: api.counted("GET .*/log.*follow") >= 50)
        await asyncio.sleep(2)
        assert api.counted("GET .*/log.*follow") == 50
        begun = api.counted("PUT .*/leases")
        changed = running(build, 0)["mediaimports"]
        changed["spec"]["suspend"] = True
        api.put("mediaimports", {**api.objects.of("mediaimports")[0], "spec": changed["spec"]})
        await until(process, lambda: api.counted("PUT .*/leases") >= begun + 2)
        await until(process, lambda: api.counted("DELETE .*/jobs") >= 1)
        assert await exit_code(process) == 0


@pytest.mark.parametrize(
    ("pattern", "act"),
    [
        ("GET .*media/mediaimports.*watch=true", answer(404, '{"kind": "Status", "message": "no", "code": 404}')),
        ("GET .*media/mediaimports.*watch=true", html(200)),
        ("PUT .*/leases", answer(200, '{"message": "please log in"}')),
        ("GET .*media/mediaimports", answer(200, '{"items": [null], "metadata": {"resourceVersion": "1"}}')),
    ],
    ids=["watch-404", "watch-page", "lease", "null-item"],
)
async def test_odd_answer_ends_no_operator(
    api: FakeApi,
    build: Build,
    tmp_path: Path,
    pattern: str,
    act: Any,  # noqa: ANN401 - an Act
) -> None:
    fault = api.fault(pattern, act, times=1)
    async with operator(api, tmp_path) as process:
        await until(process, fault.met.is_set)
        await until(process, lambda: api.counted("GET .*media/mediaimports.*watch=true") >= 1)
        api.put("mediaimports", build.mediaimport())
        await until(process, lambda: bool(api.objects.of("jobs")))
        assert await exit_code(process) == 0


def running(build: Build, number: int) -> dict[str, Object]:
    """An import at work: the resource, its Job, its pod."""
    one = replace(build, now=datetime.now(UTC), uid=str(UUID(int=number + 1)))
    item, pod = one.mediaimport(), one.running_pod()
    item["metadata"]["name"] = f"film-{number:03}"
    job = import_job.job(resource.read(item), one.settings(), attempt=1)
    job["metadata"] |= {"uid": f"job-{number}", "namespace": "media"}
    pod["metadata"] |= {"name": f"film-{number:03}-pod", "uid": f"pod-{number}"}
    pod["metadata"]["labels"] = job["spec"]["template"]["metadata"]["labels"]
    pod["metadata"]["ownerReferences"] = [{"kind": "Job", "uid": f"job-{number}", "controller": True}]
    return {"mediaimports": item, "jobs": job, "pods": pod}
