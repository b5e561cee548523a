"""Media that the prober has no memory for: another attempt has more, and then what came whole is kept."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Sidecar, read_record
from mediaimport_api.status import Kind, MediaWarning

from tests.support.import_runner import Imports
from tests.support.loopback.store import BUCKET
from tests.support.picture_studio import PictureStudio, flag
from tests.support.running_prober import running_prober

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaimport_api.result import Result
    from mediaimport_api.task import Task

    from tests.support.loopback.store import Store
    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Sources

STARVED = str(40 * 1024**2)
"""The half is left for a tool: ffprobe's libraries need 44 MiB."""


@pytest.fixture(scope="module")
def starved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProber]:
    """A prober whose tools have no memory."""
    with running_prober(tmp_path_factory.mktemp("starved"), PROBER_MEMORY_BYTES=STARVED) as running:
        yield running


@pytest.fixture
def imports(stores: Callable[[str], Store], sources: Sources, starved: RunningProber, tmp_path: Path) -> Imports:
    return Imports(stores("versitygw"), sources, starved, tmp_path)


@pytest.fixture
def body(studio: Studio) -> bytes:
    return studio.video().read_bytes()


def task_of(imports: Imports, body: bytes, *, more_memory: bool = False, **spec: Any) -> Task:  # noqa: ANN401 - the fields of a spec
    task = imports.task(imports.sources.add(lambda conversation: conversation.answer(body)), **spec)
    return task.model_copy(update={"more_memory": more_memory})


def sidecar_of(imports: Imports, task: Task) -> Sidecar:
    key = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id).sidecar
    found = read_record(imports.store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert isinstance(found, Sidecar)
    return found


def is_kept(imports: Imports, task: Task, result: Result, body: bytes, name: str) -> None:
    """Assert that the import is Imported without description, says so, and that all its bytes are stored."""
    assert result.reason is Reason.IMPORTED, result
    assert result.media is not None
    assert result.media.warnings == [MediaWarning.DESCRIPTION_MISSING]
    assert "prober.resources.limits.memory" in result.message
    assert result.thumbnail is not None
    assert result.thumbnail.reason is Reason.THUMBNAIL_FAILED
    prefix = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id).prefix
    assert set(imports.stored(task)) == {name, "asset.json"}
    assert imports.store.client().get_object(Bucket=BUCKET, Key=prefix + name)["Body"].read() == body
    assert sidecar_of(imports, task).media == result.media
    assert imports.left_over() == []


@pytest.mark.trap(
    "a prober that runs out of memory", "mp4", "OutOfMemory: another attempt with twice the memory; nothing stored"
)
def test_first_attempt_out_of_memory_is_followed_by_one_with_more(imports: Imports, body: bytes) -> None:
    task = task_of(imports, body)

    result = imports.run(task)

    assert (result.reason, result.reason.retryable) == (Reason.OUT_OF_MEMORY, True), result
    assert "prober.resources.limits.memory" in result.message
    assert imports.stored(task) == {}
    assert imports.left_over() == []


@pytest.mark.trap(
    "a prober that runs out of memory again", "mp4", "stored and Ready without description, with a warning"
)
def test_media_that_no_prober_can_read_is_kept(imports: Imports, body: bytes) -> None:
    task = task_of(imports, body, more_memory=True)

    is_kept(imports, task, imports.run(task), body, "video.mp4")


def test_media_whose_source_is_gone_before_another_attempt_is_kept_at_once(imports: Imports, body: bytes) -> None:
    task = task_of(imports, body)
    soon = task.spec.source.model_copy(update={"expires_at": datetime.now(UTC) + timedelta(minutes=1)})
    task = task.model_copy(update={"spec": task.spec.model_copy(update={"source": soon})})

    is_kept(imports, task, imports.run(task), body, "video.mp4")


def test_later_run_says_again_that_the_description_is_missing(imports: Imports, body: bytes) -> None:
    task = task_of(imports, body, more_memory=True)
    imports.run(task)

    result = imports.run(task.model_copy(update={"run": "again"}))

    assert result.reason is Reason.IMPORTED
    assert "earlier attempt" in result.message
    assert "prober.resources.limits.memory" in result.message


def test_spec_tells_sound_from_video_where_the_first_bytes_do_not(imports: Imports, body: bytes) -> None:
    task = task_of(imports, body, more_memory=True, type="audio")

    result = imports.run(task)

    assert result.asset is not None
    assert result.asset.kind is Kind.AUDIO
    assert set(imports.stored(task)) == {"audio.m4a", "asset.json"}


def test_type_that_the_first_bytes_exclude_is_a_mismatch(imports: Imports, body: bytes) -> None:
    task = task_of(imports, body, more_memory=True, type="image")

    assert imports.run(task).reason is Reason.TYPE_MISMATCH
    assert imports.stored(task) == {}


def test_damaged_file_is_no_want_of_memory(imports: Imports, prober: RunningProber, body: bytes) -> None:
    damaged = body.replace(b"moov", b"skip")
    fed = Imports(imports.store, imports.sources, prober, imports.folder)

    kept = fed.run(task_of(fed, damaged))
    refused = fed.run(task_of(fed, damaged, more_memory=True, undescribed="Refuse"))

    assert kept.description is not None
    assert (kept.reason, kept.description.reason) == (Reason.IMPORTED, Reason.PROBE_FAILED)
    assert "prober.resources.limits.memory" not in kept.message
    assert refused.reason is Reason.PROBE_FAILED


@pytest.mark.parametrize(
    ("name", "kept"), [("half.mp4", 0.5), ("less.avi", 0.8)], ids=["the end is missing", "the packets end early"]
)
def test_truncated_media_is_no_want_of_memory(
    imports: Imports, prober: RunningProber, studio: Studio, name: str, kept: float
) -> None:
    fed = Imports(imports.store, imports.sources, prober, imports.folder)
    body = studio.video(name).read_bytes()
    half = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body[: int(len(body) * kept)]
    task = fed.task(fed.sources.add(lambda conversation: conversation.send(half)))

    assert fed.run(task.model_copy(update={"more_memory": True})).reason is Reason.TRUNCATED
    assert fed.stored(task) == {}


def test_half_a_picture_that_cannot_be_read_is_no_want_of_memory(
    imports: Imports, prober: RunningProber, tmp_path: Path
) -> None:
    fed = Imports(imports.store, imports.sources, prober, imports.folder)
    # No walk tells the end of a TIFF: its directory is the last that comes.
    body = PictureStudio(tmp_path).save("flag.tiff", flag()).read_bytes()
    half = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body[: len(body) // 2]
    task = fed.task(fed.sources.add(lambda conversation: conversation.send(half)))

    result = fed.run(task.model_copy(update={"more_memory": True}))

    assert result.reason is Reason.TRUNCATED
    assert "cannot be read" in result.message
    assert fed.stored(task) == {}


def test_media_that_must_be_described_is_not_kept_without(imports: Imports, body: bytes) -> None:
    task = task_of(imports, body, more_memory=True, undescribed="Refuse")

    assert imports.run(task).reason is Reason.OUT_OF_MEMORY
    assert imports.stored(task) == {}


def test_last_of_all_attempts_keeps_what_the_prober_fails_at(imports: Imports, body: bytes) -> None:
    task = task_of(imports, body, limits={"attempts": 3})

    assert imports.run(task.model_copy(update={"attempt": 2})).reason is Reason.OUT_OF_MEMORY
    assert imports.run(task.model_copy(update={"attempt": 3})).reason is Reason.IMPORTED


@contextmanager
def killed_prober(path: Path) -> Iterator[None]:
    """Listen as a prober, each of whose children is killed before it answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if not connection.recv(4096):
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join()


@pytest.mark.attack(
    "a prober that is killed in the middle, in every attempt",
    "OutOfMemory and more memory, then stored without description",
)
def test_killed_prober_is_no_fault_of_the_file(imports: Imports, body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "killed.sock"
    first, last = task_of(imports, body), task_of(imports, body, more_memory=True)
    with killed_prober(path):
        assert imports.run(first, PROBER_SOCKET=str(path)).reason is Reason.OUT_OF_MEMORY
        result = imports.run(last, PROBER_SOCKET=str(path))

    is_kept(imports, last, result, body, "video.mp4")
