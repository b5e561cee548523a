"""The prober's process on a directory, and the importer's client for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mediaimport_api.spec import MediaType, ThumbnailFrame, ThumbnailSpec
from mediaimport_importer.media.classify import HEAD_BYTES, classify
from mediaimport_importer.media.inspection import Subject, inspect
from mediaimport_importer.media.thumbnail import Thumbnail, final_thumbnail, provisional, render
from mediaimport_importer.prober import Prober
from mediaimport_prober.protocol import ProbeRequest, ThumbnailRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mediaimport_importer.media.streams import Inspection
    from mediaimport_prober.protocol import Response


@dataclass(frozen=True)
class RunningProber:
    """The prober's process, its socket, and the directory that it may read."""

    process: subprocess.Popen[str]
    socket: Path
    scratch: Path

    @property
    def client(self) -> Prober:
        """Return the importer's side of the socket."""
        return Prober(self.socket, start_s=5)

    def add(self, file: Path) -> str:
        """Copy a file into the scratch directory; return its name there."""
        name = f"file-{uuid4().hex[:12]}"
        shutil.copyfile(file, self.scratch / name)
        return name

    def ask(self, file: Path, *, width_pixels: int = 320, **options: Any) -> tuple[Response, Response, bytes]:  # noqa: ANN401 - a request's own
        """Return the prober's answers about a file: its description, and its thumbnail with the JPEG."""
        name = self.add(file)
        described, _ = self.client.ask(ProbeRequest(file=name))
        return described, *self.client.ask(ThumbnailRequest(file=name, width_pixels=width_pixels, **options))

    def inspect(self, file: Path, *, expected_type: MediaType = MediaType.AUTO, proven: bool = False) -> Inspection:
        """Return the importer's inspection of a file; `proven`: its transport proves that it is whole."""
        return inspect(self.client, self._subject(file, expected_type, proven=proven))

    def thumbnail(self, file: Path, *, frame: ThumbnailFrame = ThumbnailFrame.FIRST) -> Thumbnail:
        """Return the importer's thumbnail of a file."""
        subject = self._subject(file, MediaType.AUTO, proven=True)
        request = provisional(subject.file, ThumbnailSpec(frame=frame), subject.sniffed)
        return final_thumbnail(self.client, request, render(self.client, request), inspect(self.client, subject))

    def _subject(self, file: Path, expected_type: MediaType, *, proven: bool) -> Subject:
        sniffed = classify(file.read_bytes()[:HEAD_BYTES])
        return Subject(self.add(file), sniffed, expected_type, size_bytes=file.stat().st_size, proven=proven)


@contextlib.contextmanager
def running_prober(
    folder: Path, *, program: Sequence[str] = ("-m", "mediaimport_prober"), **variables: str
) -> Iterator[RunningProber]:
    """Run the prober on a directory below the folder; `program`: Python's arguments for another one in its place."""
    scratch, path = folder / "scratch", folder / "prober.sock"
    scratch.mkdir()
    command = [sys.executable, *program]
    environment = {"SCRATCH_DIRECTORY": str(scratch), "PROBER_SOCKET": str(path), "PATH": os.environ["PATH"]}
    environment |= variables
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        try:
            yield RunningProber(process, path, scratch)
        finally:
            process.terminate()
