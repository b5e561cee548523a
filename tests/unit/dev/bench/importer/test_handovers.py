"""The flipped bytes of `make bench-import`, on a store without TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev.bench.importer.handovers import flips
from tests.support.loopback.store import running_store, versitygw
from tests.support.media_studio import open_studio

if TYPE_CHECKING:
    from pathlib import Path


def test_byte_flipped_at_each_handover_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    body = open_studio(tmp_path / "media").video().read_bytes()
    filler = 1_200_000
    body += filler.to_bytes(4, "big") + b"free" + bytes(filler - 8)
    with running_store(tmp_path, program=versitygw(), certificate=None) as store:
        rows = {each.figure: each.row()["holds"] for each in flips(tmp_path / "flips", store, body)}

    assert rows == {
        "one byte flipped at network → spool: Corrupted": True,
        "one byte flipped at spool → upload: Corrupted": True,
        "one byte flipped at upload → store: StoreUnavailable": True,
    }
