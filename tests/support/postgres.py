"""PostgreSQL of Debian on loopback, for tests; `make tools` installs it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.support.loopback.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMIT_S = 60
_HALF_OPEN = "authentication_timeout=20s"
"""A shutdown waits for connections that are half open, at most so long: less than the limit above."""
_PASSWORD = "made-up"


@dataclass
class Postgres:
    """A server of databases."""

    port: int
    data: Path
    programs: Path
    _server: subprocess.Popen[bytes] | None = None

    def url_of(self, user: str = "postgres", password: str = _PASSWORD, *, database: str = "postgres") -> str:
        """Return the URL of a database for a user."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database; return its URL."""
        name = f"d{uuid4().hex}"
        self.query(f"CREATE DATABASE {name}")
        return self.url_of(database=name)

    def query(self, statement: str, *, url: str | None = None) -> str:
        """Return what psql prints, without headings: columns by `|`."""
        command = (
            self.programs / "psql",
            "--no-psqlrc",
            "-At",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statement,
            url or self.url_of(),
        )
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_LIMIT_S).stdout.strip()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", _HALF_OPEN)
        options = (f"--{setting.replace('_', '-')}" for setting in settings)
        command = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        log = (self.data.parent / "log").open("ab")
        with log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, user=_account())
        ready = (self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port))
        deadline = time.monotonic() + _LIMIT_S
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._server.poll() is None, (self.data.parent / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server and all its sessions, and wait for it."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # a fast shutdown: it waits for no session
            try:
                self._server.wait(_LIMIT_S)
            except subprocess.TimeoutExpired:
                raise AssertionError((self.data.parent / "log").read_text()) from None
            self._server = None

    def kill(self) -> None:
        """End all of the server's processes by SIGKILL, and wait for them: the next start recovers from its log.

        A process that outlives the server keeps the shared memory, and no other server starts on these files.
        """
        if self._server is None:
            return
        server = self._server.pid
        os.kill(server, signal.SIGSTOP)  # it starts no more of them
        os.waitid(os.P_PID, server, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        with ExitStack() as stack:
            sessions = {each: handle for each in _children(server) if (handle := _handle(each, stack)) is not None}
            for handle in sessions.values():
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            self._server.kill()
            self._server.wait(_LIMIT_S)
            for each, handle in sessions.items():
                ended, *_ = select.select([handle], [], [], _LIMIT_S)
                assert ended, f"PostgreSQL's process {each} outlives its kill"
        self._server = None


def _handle(process: int, stack: ExitStack) -> int | None:
    """Return a descriptor that is readable once the process has ended; None if it is gone."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return None
    stack.callback(os.close, handle)
    return handle


def _children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(each) for each in tasks.read_text().split()]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server with an empty database."""
    programs = _programs()
    # The server runs as another user, and TMPDIR may be closed to that one.
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp") as folder:
        home = Path(folder)
        if os.getuid() == 0:
            shutil.chown(home, "postgres")
        (home / "password").write_text(_PASSWORD)
        (home / "password").chmod(0o644)
        data = home / "data"
        command = (programs / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
        arguments = (*command, "--locale=C.UTF-8", f"--pwfile={home / 'password'}")
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, timeout=_LIMIT_S, user=_account())
        server = Postgres(free_port(), data, programs)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _programs() -> Path:
    """Return the folder of the newest server; Debian has it outside of PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    assert folders, "PostgreSQL is not installed; make tools installs it"
    return folders[-1].parent


def _account() -> str | None:
    """Return the account that runs the server, which refuses root; None for our own."""
    return "postgres" if os.getuid() == 0 else None
