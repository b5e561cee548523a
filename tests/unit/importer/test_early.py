"""The early request: sent before pydantic is imported, used by an attempt, and only by one that begins with it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Owner
from mediaimport_api.task import Task
from mediaimport_importer import early
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.process import Interruption, outcome
from mediaimport_importer.report import Report
from mediaimport_runtime.environment import Environment

if TYPE_CHECKING:
    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources


def begun(sources: Sources, url: str, *, variables: dict[str, str] | None = None, **task: Any) -> Any:  # noqa: ANN401
    given = Task.model_validate(
        {
            "owner": Owner(namespace="media", name="clip", uid="0d5b1f3e"),
            "asset_id": "8d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11",
            "spec": {"source": {"url": url}},
            "run": "",
            "attempt": 1,
            "max_size_bytes": 1 << 30,
            "deadline_seconds": 60,
        }
        | task
    )
    return early.begin(
        Environment(
            {
                "MEDIAIMPORT_TASK": given.model_dump_json(by_alias=True, exclude_none=True),
                "SOURCE_ALLOWED_NETWORKS": "127.0.0.0/8",
                "SOURCE_ALLOWED_PORTS": str(sources.port),
            }
            | (variables or {})
        )
    )


def test_request_needs_no_pydantic() -> None:
    heavy = "{'pydantic', 'botocore', 'mediaimport_importer.pipeline'}"
    code = f"import sys, mediaimport_importer.early; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_entry_point_sends_the_request_before_it_imports_the_rest(imports: Imports, sources: Sources) -> None:
    url = sources.add(lambda conversation: conversation.answer(status="410 Gone"))
    variables = imports.variables(imports.task(url)) | {"PYTHONVERBOSE": "1"}
    command = [sys.executable, "-m", "mediaimport_importer"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    loaded = [line for line in done.stderr.splitlines() if line.startswith("import '")]
    first = next(number for number, line in enumerate(loaded) if "'mediaimport_importer.early'" in line)
    assert first < next(number for number, line in enumerate(loaded) if "'pydantic'" in line)
    assert len([each for each in sources.requests if url.rpartition("/")[2] in each]) == 1
    assert done.returncode == Reason.SOURCE_NOT_FOUND.facts.exit_code


def test_attempt_uses_the_early_request_and_sends_no_other(
    imports: Imports, sources: Sources, studio: Studio, log: io.StringIO
) -> None:
    url, before = sources.file(studio.video()), len(sources.requests)
    task = imports.task(url)
    request = early.begin(Environment(imports.variables(task)))
    result = outcome(imports.settings(task), Report(log), Interruption(), sleep=imports.sleep, early=request)
    assert result.reason is Reason.IMPORTED
    assert len(sources.requests) == before + 1


def test_failure_of_the_early_request_is_the_attempts(imports: Imports, sources: Sources, log: io.StringIO) -> None:
    url = sources.add(lambda conversation: conversation.answer(status="410 Gone"))
    task = imports.task(url)
    request = early.begin(Environment(imports.variables(task)))
    result = outcome(imports.settings(task), Report(log), Interruption(), sleep=imports.sleep, early=request)
    assert (result.reason, result.http_status) == (Reason.SOURCE_NOT_FOUND, 410)


def test_task_that_is_not_valid_is_refused_although_its_request_was_sent(
    imports: Imports, sources: Sources, studio: Studio
) -> None:
    variables = imports.variables(imports.task(sources.file(studio.video())))
    task = json.loads(variables["MEDIAIMPORT_TASK"]) | {"maxSizeBytes": 0}
    command = [sys.executable, "-m", "mediaimport_importer"]
    variables["MEDIAIMPORT_TASK"] = json.dumps(task)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == Reason.SETTINGS_INVALID.facts.exit_code
    assert "maxSizeBytes" in done.stdout


def test_source_that_is_not_allowed_gets_no_early_request(sources: Sources) -> None:
    request = begun(sources, sources.add(_never), variables={"SOURCE_ALLOWED_NETWORKS": ""})
    with pytest.raises(AttemptError) as refused, request:
        pass
    assert refused.value.reason is Reason.SOURCE_BLOCKED


def test_request_is_sent_as_soon_as_it_can_be_awaited(sources: Sources) -> None:
    arrived: list[float] = []

    def slow(conversation: Conversation) -> None:
        arrived.append(time.monotonic())
        conversation.answer(b"GIF89a")

    request = begun(sources, sources.add(slow))
    request.wait_until_sent()
    with request as media:
        assert media.size_bytes == 6
        assert b"".join(media.pieces()) == b"GIF89a"
    assert len(arrived) == 1


@pytest.mark.parametrize(
    "task",
    [{"attempt": 2}, {"run": "again"}, {"spec": {"source": {"store": {"key": "incoming/default/a"}}}}],
    ids=["another attempt", "another run", "an object of the store"],
)
def test_attempt_that_looks_at_the_store_first_sends_none(sources: Sources, task: dict[str, Any]) -> None:
    assert begun(sources, sources.add(_never), **task) is None


@pytest.mark.parametrize(
    "variables",
    [{"MEDIAIMPORT_TASK": ""}, {"MEDIAIMPORT_TASK": "{"}, {"MEDIAIMPORT_TASK": "[]"}, {"SOURCE_ALLOWED_PORTS": "x"}],
)
def test_settings_that_are_not_valid_send_none(sources: Sources, variables: dict[str, str]) -> None:
    assert begun(sources, sources.add(_never), variables=variables) is None


def test_data_uri_needs_no_request(sources: Sources) -> None:
    assert begun(sources, "data:text/plain,x") is None


def _never(_: Conversation) -> None:
    raise AssertionError("a request was sent")


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()
