"""Landlock, on kernels that have it."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mediaimport_prober import landlock

if TYPE_CHECKING:
    from collections.abc import Callable

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
