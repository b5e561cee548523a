"""The folder of ffprobe and ffmpeg that is searched before /usr/bin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mediaimport_prober.protocol import ProbeRequest

from tests.support.running_prober import running_prober

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = {"streams": [], "format": {"format_name": "of-the-folder"}}


def test_tools_of_the_named_folder_run_in_the_sandbox(tmp_path: Path) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "ffprobe").write_text(f"#!/bin/sh\necho '{json.dumps(DOCUMENT)}'\n")
    (folder / "ffprobe").chmod(0o755)
    (tmp_path / "media").write_bytes(b"media")

    with running_prober(tmp_path, PROBER_TOOLS_DIRECTORY=str(folder)) as prober:
        response, _ = prober.client.ask(ProbeRequest(file=prober.add(tmp_path / "media")))

    assert response.document is not None, response
    assert response.document["format"]["format_name"] == "of-the-folder"
