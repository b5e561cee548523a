"""Importer and cleanup, stopped before and after each of their writes to the store."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result
from mediaimport_api.sidecar import Sidecar, Tombstone, read_record, source_fingerprint
from mediaimport_api.task import DELETION_VARIABLE, Deletion
from mediaimport_importer.store.multipart import MIN_PART_BYTES

from tests.support.forked_programs import Program, start
from tests.support.import_runner import Imports
from tests.support.loopback.store import BUCKET
from tests.support.loopback.store_proxy import WRITES, CutError, Request, StoreProxy, proxied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaimport_api.task import Task

    from tests.support.loopback.store import Store
    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Sources

ONE_PUT = ["PutObject video.mp4", "PutObject thumbnail.jpg", "PutObject asset.json"]
PARTS = [
    "CreateMultipartUpload video.mp4", "UploadPart video.mp4", "CompleteMultipartUpload video.mp4", *ONE_PUT[1:],
]  # fmt: skip
CLEANUP = ["DeleteObject thumbnail.jpg", "DeleteObject video.mp4", "PutObject asset.json"]
MOMENTS = ["before", "after"]


@dataclass
class Stop:
    """Sends a signal to a process before or after its first request of that name, which the store has then not seen."""

    at: str
    moment: str
    number: signal.Signals = signal.SIGKILL
    process: Program | None = None
    sent: list[str] = field(default_factory=list)
    _started: threading.Event = field(default_factory=threading.Event)

    def begun(self, process: Program) -> None:
        """Take the process: its first request may have come already."""
        self.process = process
        self._started.set()

    def install(self, proxy: StoreProxy) -> None:
        """Make the proxy do so."""
        setattr(proxy, self.moment, self._handle)

    def _handle(self, request: Request) -> None:
        if str(request) != self.at or self.sent:
            return
        self._started.wait(60)
        assert self.process is not None
        self.sent.append(str(request))
        if self.number is signal.SIGKILL:
            self.process.kill()
            raise CutError
        self.process.send_signal(self.number)


@dataclass
class Stage:
    """One asset in one store, and processes that work at it through a proxy."""

    imports: Imports
    task: Task
    body: bytes

    @property
    def names(self) -> set[str]:
        """Return the names of what is stored."""
        return set(self.imports.stored(self.task))

    @property
    def keys(self) -> AssetKeys:
        return AssetKeys(user_id=self.task.spec.user_id, asset_id=self.task.asset_id)

    @property
    def deletion(self) -> Deletion:
        return Deletion(
            owner=self.task.owner,
            user_id=self.task.spec.user_id,
            asset_id=self.task.asset_id,
            source_fingerprint=source_fingerprint(self.task.spec.source.location),
        )

    def read(self, name: str) -> bytes:
        key = self.keys.prefix + name
        return self.imports.store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def run(self, module: str, stop: Stop | None = None) -> int:
        """Run the program; return its exit code."""
        with proxied(self.imports.store) as proxy:
            variables = self.imports.variables(self.task, **proxy.variables) | {
                **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
                DELETION_VARIABLE: self.deletion.model_dump_json(by_alias=True),
            }
            if stop is not None:
                stop.install(proxy)
            process = start(module, variables)
            if stop is not None:
                stop.begun(process)
            code = process.wait(60)
        assert stop is None or stop.sent, f"{module} made no request {stop.at}"
        for file in self.imports.prober.scratch.glob("attempt-*"):
            file.unlink()
        return code

    def left_over(self) -> list[str]:
        """Return the unfinished uploads of this asset."""
        return [each for each in self.imports.left_over() if self.task.asset_id in each]


IMPORTER, DELETER = "mediaimport_importer", "mediaimport_importer.deletion"


@pytest.fixture
def staged(sources: Sources, prober: RunningProber, tmp_path: Path, studio: Studio) -> Callable[[Store], Stage]:
    """Makes a stage in a store: an asset of one PUT with TLS, of two parts without."""

    def stage(store: Store) -> Stage:
        imports = Imports(store, sources, prober, tmp_path)
        video = studio.video().read_bytes()
        filler = 0 if store.certificate else MIN_PART_BYTES + 300_000
        body = video + (filler.to_bytes(4, "big") + b"free" + bytes(filler - 8) if filler else b"")
        return Stage(imports, imports.task(sources.add(lambda conversation: conversation.answer(body))), body)

    return stage


def sidecar_is_last(stage: Stage) -> None:
    """Assert that a sidecar exists only next to all that it describes."""
    if "asset.json" not in stage.names:
        return
    sidecar = read_record(stage.read("asset.json"))
    assert isinstance(sidecar, Sidecar)
    assert stage.names == {"video.mp4", "thumbnail.jpg", "asset.json"}
    assert hashlib.sha256(stage.read("video.mp4")).hexdigest() == sidecar.asset.sha256


def next_attempt_is_whole(stage: Stage) -> None:
    result = stage.imports.run(stage.task.model_copy(update={"attempt": 2}))
    assert result.reason is Reason.IMPORTED, result
    assert stage.names == {"video.mp4", "thumbnail.jpg", "asset.json"}
    assert stage.read("video.mp4") == stage.body
    assert stage.left_over() == []


def deletion_leaves_a_tombstone_alone(stage: Stage) -> None:
    assert stage.run(DELETER) == 0
    assert stage.names == {"asset.json"}
    assert isinstance(read_record(stage.read("asset.json")), Tombstone)
    assert stage.left_over() == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("at", ONE_PUT)
def test_attempt_after_one_killed_at_a_put_is_whole(
    store: Store, staged: Callable[[Store], Stage], at: str, moment: str
) -> None:
    stage = staged(store)
    assert stage.run(IMPORTER, Stop(at, moment)) == -signal.SIGKILL
    sidecar_is_last(stage)
    next_attempt_is_whole(stage)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("at", PARTS)
def test_attempt_after_one_killed_at_a_multipart_upload_is_whole(
    plain_store: Store, staged: Callable[[Store], Stage], at: str, moment: str
) -> None:
    stage = staged(plain_store)
    assert stage.run(IMPORTER, Stop(at, moment)) == -signal.SIGKILL
    sidecar_is_last(stage)
    next_attempt_is_whole(stage)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("at", PARTS)
def test_deletion_after_a_killed_attempt_leaves_only_the_tombstone(
    stores: Callable[[str], Store], staged: Callable[[Store], Stage], at: str, moment: str
) -> None:
    stage = staged(stores("versitygw (plain)"))
    assert stage.run(IMPORTER, Stop(at, moment)) == -signal.SIGKILL
    deletion_leaves_a_tombstone_alone(stage)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("at", CLEANUP)
def test_tombstone_of_a_killed_cleanup_is_last_and_the_next_cleanup_ends_it(
    store: Store, staged: Callable[[Store], Stage], at: str, moment: str
) -> None:
    stage = staged(store)
    assert stage.imports.run(stage.task).reason is Reason.IMPORTED
    assert stage.run(DELETER, Stop(at, moment)) == -signal.SIGKILL
    if isinstance(read_record(stage.read("asset.json")), Tombstone):
        assert stage.names == {"asset.json"}
    deletion_leaves_a_tombstone_alone(stage)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("at", ONE_PUT[1:])
def test_sigterm_does_not_interrupt_a_commit(
    any_store: Store, staged: Callable[[Store], Stage], at: str, moment: str
) -> None:
    stage = staged(any_store)
    assert stage.run(IMPORTER, Stop(at, moment, signal.SIGTERM)) == 0
    result = Result.decode((stage.imports.folder / "termination-log").read_bytes())
    assert result is not None
    assert result.reason is Reason.IMPORTED
    assert stage.names == {"video.mp4", "thumbnail.jpg", "asset.json"}


@contextmanager
def twin_before(stage: Stage, at: str, name: str) -> Iterator[dict[str, str]]:
    """Yield variables of an importer that loses a race: another's object is there before its own write."""
    with proxied(stage.imports.store) as proxy:

        def put(request: Request) -> None:
            if str(request) == at:
                stage.imports.store.client().put_object(Bucket=BUCKET, Key=stage.keys.prefix + name, Body=b"another's")

        proxy.before = put
        yield proxy.variables


@pytest.mark.parametrize("name", ["video.mp4", "asset.json"])
def test_object_that_another_import_has_just_written_is_not_overwritten(
    any_store: Store, staged: Callable[[Store], Stage], name: str
) -> None:
    stage = staged(any_store)
    write = "PutObject" if any_store.certificate or name == "asset.json" else "CompleteMultipartUpload"
    with twin_before(stage, f"{write} {name}", name) as variables:
        result = stage.imports.run(stage.task, **variables)
    assert result.reason is Reason.ASSET_TAKEN, result
    assert stage.read(name) == b"another's"
    assert stage.left_over() == []


def test_every_write_has_been_cut(any_store: Store, staged: Callable[[Store], Stage]) -> None:
    """The lists of this file are all that importer and cleanup write."""
    stage = staged(any_store)
    with proxied(any_store) as proxy:
        assert stage.imports.run(stage.task, **proxy.variables).reason is Reason.IMPORTED
        assert set(proxy.writes) == set(ONE_PUT if any_store.certificate else PARTS)
    assert {"PUT", "POST", "DELETE"} == WRITES
