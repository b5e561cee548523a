"""The importer as a process: exit codes, the termination message, SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason, Retry
from mediaimport_api.result import MAX_RESULT_BYTES, Result
from mediaimport_importer.errors import InterruptedAttemptError
from mediaimport_importer.process import Interruption

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_api.task import Task

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.source_server import Conversation, Sources


def started(imports: Imports, task: Task) -> subprocess.Popen[str]:
    environment = imports.variables(task) | {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "mediaimport_importer"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], folder: Path) -> tuple[int, Result, str]:
    output, errors = process.communicate(timeout=60)
    result = Result.decode((folder / "termination-log").read_bytes())
    assert result is not None, output + errors
    return process.returncode, result, output + errors


def test_import_exits_with_zero(imports: Imports, sources: Sources, studio: Studio) -> None:
    code, result, errors = ended(started(imports, imports.task(sources.file(studio.video()))), imports.folder)

    assert (code, result.reason) == (0, Reason.IMPORTED), errors


def test_refusal_exits_with_its_reasons_code(imports: Imports, sources: Sources) -> None:
    url = sources.add(lambda conversation: conversation.answer(status="404 Not Found"), query="?token=hidden")

    code, result, output = ended(started(imports, imports.task(url)), imports.folder)

    assert (code, result.reason, result.http_status) == (11, Reason.SOURCE_NOT_FOUND, 404)
    assert "hidden" not in output


def test_sigterm_in_the_middle_leaves_nothing(any_imports: Imports, sources: Sources, studio: Studio) -> None:
    importing = any_imports
    body = studio.video().read_bytes()
    sent, over = threading.Event(), threading.Event()

    def endless(conversation: Conversation) -> None:
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + body + bytes(30_000_000))
        sent.set()
        over.wait(30)

    task = importing.task(sources.add(endless))
    process = started(importing, task)
    assert sent.wait(30)
    process.send_signal(signal.SIGTERM)

    code, result, errors = ended(process, importing.folder)
    over.set()

    assert (code, result.reason) == (30, Reason.INTERRUPTED), errors
    assert importing.stored(task) == {}
    assert importing.left_over() == []


def test_sigterm_while_the_result_is_written_does_not_lose_it(imports: Imports, sources: Sources) -> None:
    """The message is a pipe here that nobody reads yet: the importer is in the middle of writing."""
    message = imports.folder / "termination-log"
    os.mkfifo(message)
    url = sources.add(lambda conversation: conversation.answer(status="410 Gone"))
    with started(imports, imports.task(url)) as process:
        assert process.stdout is not None
        while Reason.SOURCE_NOT_FOUND not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGTERM)
        # Opened without waiting for a writer: there is none if the importer has ended without its result.
        reader = os.open(message, os.O_RDONLY | os.O_NONBLOCK)
        process.wait(30)
        result = Result.decode(os.read(reader, MAX_RESULT_BYTES))
        os.close(reader)

    assert result is not None
    assert (process.returncode, result.reason) == (11, Reason.SOURCE_NOT_FOUND)


def test_signal_interrupts_only_where_it_may() -> None:
    interruption = Interruption()

    with pytest.raises(InterruptedAttemptError), interruption.allowed():
        interruption.handle_signal()
    interruption.handle_signal()
    with pytest.raises(InterruptedAttemptError), interruption.allowed():
        pass


def test_signal_during_the_commit_waits_for_its_end() -> None:
    interruption = Interruption()

    with interruption.allowed(), interruption.deferred():
        interruption.handle_signal()

    with pytest.raises(InterruptedAttemptError), interruption.allowed():
        pass


def test_missing_setting_is_named(imports: Imports, sources: Sources) -> None:
    task = imports.task(f"http://127.0.0.1:{sources.port}/")
    environment = imports.variables(task) | {"S3_BUCKET_NAME": ""}
    command = [sys.executable, "-m", "mediaimport_importer"]

    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    result = Result.decode((imports.folder / "termination-log").read_bytes())
    assert result is not None
    assert (ran.returncode, result.reason) == (25, Reason.SETTINGS_INVALID)
    assert "S3_BUCKET_NAME" in result.message


def test_half_a_key_while_its_secret_is_rotated_is_no_fault_of_the_file(imports: Imports, sources: Sources) -> None:
    environment = imports.variables(imports.task(f"http://127.0.0.1:{sources.port}/"))
    del environment["S3_SECRET_ACCESS_KEY"]
    command = [sys.executable, "-m", "mediaimport_importer"]

    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    result = Result.decode((imports.folder / "termination-log").read_bytes())
    assert result is not None
    assert (ran.returncode, result.reason, result.reason.facts.retry) == (
        25,
        Reason.SETTINGS_INVALID,
        Retry.UNTIL_EXPIRY,
    )
    assert "S3_SECRET_ACCESS_KEY is not set" in result.message
