"""One attempt as a Job makes it: a task in the environment, a socket to the prober, a termination message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from mediaimport_api.result import Result

from tests.support.import_runner import Imports
from tests.support.running_prober import running_prober
from tests.support.source_server import running_sources

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaimport_api.task import Task

    from tests.support.loopback.store import Store

MAX_BYTES = 5 * 1024**3
DEADLINE_S = 1800
_OWN_SOURCE = ("SOURCE_ALLOWED_NETWORKS", "SOURCE_ALLOWED_PORTS")


@dataclass(frozen=True)
class Outcome:
    """The end of the importer's process."""

    exit_code: int
    result: Result | None


@dataclass(frozen=True)
class Source:
    """A URL, or a file that is served on 127.0.0.1 for the attempt."""

    url: str | None
    file: Path

    @property
    def sha256(self) -> str | None:
        """Hash of the file; nobody knows that of a URL beforehand."""
        return None if self.url else sha256(self.file.read_bytes()).hexdigest()


def run(store: Store, source: Source, folder: Path, *, tools: Path | None, say: Callable[[str], None]) -> Outcome:
    """Run prober and importer; `say` gets the lines of the importer's log."""
    variables = {"PROBER_TOOLS_DIRECTORY": str(tools)} if tools else {}
    with running_sources() as sources, running_prober(folder, **variables) as prober:
        imports = Imports(store, sources, prober, folder)
        url = source.url or sources.file(source.file)
        task = imports.task(url, name="try", max_size_bytes=MAX_BYTES, deadline_seconds=DEADLINE_S)
        code = _importer(_environment(imports, task, own_source=source.url is None), say)
        message = folder / "termination-log"
        return Outcome(code, Result.decode(message.read_bytes()) if message.exists() else None)


def _environment(imports: Imports, task: Task, *, own_source: bool) -> dict[str, str]:
    """Return the importer's variables: of private addresses, it may reach the trial's own source alone."""
    variables = imports.variables(task, PATH=os.environ["PATH"])
    if own_source:
        return variables
    proxy = {name: value for name, value in os.environ.items() if name == "SOURCE_PROXY_URL"}
    return proxy | {name: value for name, value in variables.items() if name not in _OWN_SOURCE}


def _importer(environment: dict[str, str], say: Callable[[str], None]) -> int:
    command = [sys.executable, "-m", "mediaimport_importer"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - for mypy
        try:
            for line in process.stdout:
                say(str(json.loads(line)["msg"]))
        except BaseException:
            process.terminate()
            raise
    return process.returncode
