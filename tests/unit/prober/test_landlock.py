"""Landlock, on kernels that have it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mediaimport_prober import landlock
from mediaimport_prober.framing import receive_exactly
from mediaimport_prober.protocol import Failure, ProbeRequest, ProtocolError, Response, encode, read_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.media_studio import Studio

# Newer Pythons warn of forks in a process with threads; the prober has none, the test run has.
pytestmark = [
    pytest.mark.skipif(landlock.version() == 0, reason="the kernel has no Landlock"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def refused_in_child(confined_to: Path, act: Callable[[], object]) -> bool:
    """Tell whether a confined child was refused."""
    child = os.fork()
    if child == 0:
        code = 2
        try:
            landlock.confine(
                readable=[confined_to, Path("/etc/ld.so.cache")],
                executable=[Path("/usr"), Path("/lib"), Path("/lib64")],
            )
            act()
            code = 0
        except PermissionError:
            code = 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, 1}
    return os.waitstatus_to_exitcode(status) == 1


@pytest.mark.attack("a compromised tool that reads other files", "refused by Landlock")
def test_only_what_is_named_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "file").write_text("x")
    (tmp_path / "outside").write_text("secret")

    assert not refused_in_child(tmp_path / "inside", (tmp_path / "inside" / "file").read_text)
    assert refused_in_child(tmp_path / "inside", (tmp_path / "outside").read_text)
    assert refused_in_child(tmp_path / "inside", Path("/etc/passwd").read_text)


@pytest.mark.attack("a compromised tool that writes", "refused by Landlock")
def test_nothing_can_be_written(tmp_path: Path) -> None:
    assert refused_in_child(tmp_path, lambda: (tmp_path / "new").write_text("x"))


@pytest.mark.attack("a compromised tool that connects", "refused by Landlock")
def test_no_tcp_connection_can_be_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

        assert refused_in_child(tmp_path, lambda: socket.create_connection(address, timeout=5))


def test_programs_still_run(tmp_path: Path) -> None:
    def run() -> None:
        subprocess.run(["/usr/bin/true"], check=True, stdin=subprocess.PIPE)

    assert not refused_in_child(tmp_path, run)


SERVER = """
import sys
from pathlib import Path
from mediaimport_prober.__main__ import confine
from mediaimport_prober.server import Server
from mediaimport_prober.tools import Tools
socket, served, confined_to = map(Path, sys.argv[1:])
server = Server(socket, Tools(served), prepare=lambda: confine(confined_to))
print("listening", flush=True)
server.serve()
"""


@pytest.mark.attack("a request for a file outside, through the prober's socket", "refused by Landlock")
def test_prober_confines_itself_before_it_answers(tmp_path: Path, studio: Studio) -> None:
    """It serves one directory and may read another: only Landlock can refuse the file."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        shutil.copyfile(studio.video(), folder / "file")

    assert answer_of(tmp_path / "own", served=inside, confined_to=inside).failure is None
    assert answer_of(tmp_path / "other", served=outside, confined_to=inside).failure is not None


def answer_of(path: Path, *, served: Path, confined_to: Path) -> Response:
    command = [sys.executable, "-c", SERVER, str(path), str(served), str(confined_to)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(encode(ProbeRequest(file="file")))
                deadline = time.monotonic() + 30
                return read_response(lambda size: receive_exactly(connection, size, deadline=deadline))[0]
        except ProtocolError:
            # The child could not even answer.
            return Response(failure=Failure.TOOL_FAILED)
        finally:
            process.terminate()
