"""The importer as a process: exit codes, the termination message, SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_api.task import Task

    from tests.unit.importer.conftest import Conversation, Imports, Sources, Studio


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


def test_missing_setting_is_named(imports: Imports, sources: Sources) -> None:
    task = imports.task(f"http://127.0.0.1:{sources.port}/")
    environment = imports.variables(task) | {"S3_BUCKET_NAME": ""}
    command = [sys.executable, "-m", "mediaimport_importer"]

    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    result = Result.decode((imports.folder / "termination-log").read_bytes())
    assert ran.returncode == 1
    assert result is not None
    assert "S3_BUCKET_NAME" in result.message


def by_hand(
    imports: Imports, *options: str, stdin: str = "", deadline_s: float = 60
) -> subprocess.CompletedProcess[str]:
    environment = imports.store.variables() | {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "mediaimport_importer", *options]
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, timeout=deadline_s, check=False
    )


def test_by_hand_needs_no_kubernetes(imports: Imports, sources: Sources, studio: Studio) -> None:
    url, port = sources.file(studio.video()), str(sources.port)

    ran = by_hand(imports, "--url", url, "--allow-network", "127.0.0.0/8", "--allow-port", port, "--user", "anna")

    assert ran.returncode == 0, ran.stderr
    result = Result.model_validate_json(ran.stdout)
    assert result.asset is not None
    assert result.asset.key.startswith("media/anna/")
    assert "downloaded" in ran.stderr


def test_by_hand_takes_a_long_data_uri(imports: Imports, studio: Studio) -> None:
    noise = "nullsrc=s=640x360,geq=random(1)*255:128:128"
    body = studio.make("noise.png", "-f", "lavfi", "-i", noise, "-frames:v", "1").read_bytes()
    uri = "data:image/png;base64," + b64encode(body).decode()
    assert len(uri) > 64 * 1024

    ran = by_hand(imports, "--url", "-", stdin=uri)

    assert ran.returncode == 0, ran.stderr


def test_by_hand_a_data_uri_beyond_its_limit_is_refused(imports: Imports) -> None:
    ran = by_hand(imports, "--url", "-", stdin="data:image/png;base64," + "A" * 10_000_000)

    assert ran.returncode == 1
    assert "longer than 10000000" in ran.stderr


def test_by_hand_a_bad_option_is_one_line(imports: Imports) -> None:
    ran = by_hand(imports, "--url", "ftp://example.org/x")

    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "url" in ran.stderr


def test_by_hand_blocks_what_is_blocked_in_a_job(imports: Imports, sources: Sources) -> None:
    ran = by_hand(imports, "--url", f"http://127.0.0.1:{sources.port}/")

    assert ran.returncode == 11
    assert Result.model_validate_json(ran.stdout).reason is Reason.SOURCE_BLOCKED
