"""Files of the repository: ours alone, nothing that an installation or a build leaves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive of the sources tracks nothing")
def test_no_ignored_file_is_tracked() -> None:
    command = ("git", "ls-files", "--cached", "--ignored", "--exclude-standard")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == []
