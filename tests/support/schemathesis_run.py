"""A run of schemathesis against a webhook: links from creation to reads, streams and deletion; wrong data, too."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def schemathesis_run(
    url: str, *options: str, token: str, folder: Path, examples: int, timeout_s: int
) -> subprocess.CompletedProcess[str]:
    """Hold all answers to the document at that URL; the same requests at each run.

    Options choose operations: the fewer there are, the more examples follow one chain of links.
    """
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
        "--header", f"Authorization: Bearer {token}",
        "--checks", "all",
        # Which hosts may be imported from, and what a cursor is, no schema can say.
        "--exclude-checks", "positive_data_acceptance",
        # A stream without an end.
        "--exclude-path", "/api/v1/events",
        "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", str(examples),
        "--seed", "1",
        "--request-timeout", "20",
        "--continue-on-failure",
        "--warnings", "off",
        "--no-color",
        *options,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, cwd=folder, text=True, timeout=timeout_s, check=False)
