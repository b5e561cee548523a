"""One byte flipped at each hand-over of an import: each is refused, by name. The same runs as in the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason

from dev.bench.figures import Bar, Figure
from tests.support.flipped_bytes import flipped_in_scratch_file, flipped_in_upload, flipped_on_the_wire
from tests.support.import_runner import Imports
from tests.support.running_prober import running_prober
from tests.support.source_server import running_sources

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_api.task import Task

    from tests.support.loopback.store import Store


def flips(folder: Path, store: Store, body: bytes) -> list[Figure]:
    """Return a figure of each hand-over: 1 if the import was refused, and no sidecar of it is stored."""
    folder.mkdir()
    with running_sources() as sources, running_prober(folder) as prober:
        imports = Imports(store, sources, prober, folder)
        scratch_task, scratch = flipped_in_scratch_file(imports, body)
        upload_task, upload = flipped_in_upload(imports, body, folder / "flipped")
        wire_task, wire = flipped_on_the_wire(imports, body)
        return [
            _figure("network → spool", scratch.reason, imports, scratch_task),
            _figure("spool → upload", upload, imports, upload_task),
            _figure("upload → store", wire.reason, imports, wire_task),
        ]


def _figure(handover: str, reason: Reason, imports: Imports, task: Task) -> Figure:
    refused = reason is not Reason.IMPORTED and "asset.json" not in imports.stored(task)
    return Figure(f"one byte flipped at {handover}: {reason}", int(refused), "refused", None, Bar(1, at_most=False))
