"""Webhook as a process of this machine, with one worker."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.support.loopback.processes import free_port, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOKEN = "bench-token-0123456789"
ADMIN_TOKEN = "admin-token-0123456789"
READY_TIMEOUT_S = 60.0
MODULE = "mediaimport_webhook"


@dataclass(frozen=True)
class WebhookProcess:
    """Running webhook."""

    url: str
    pid: int
    folder: Path

    @property
    def memory_mb(self) -> float:
        """Return its resident memory now."""
        return self._status_mb("VmRSS")

    @property
    def peak_memory_mb(self) -> float:
        """Return the most resident memory that it ever had."""
        return self._status_mb("VmHWM")

    @property
    def descriptors(self) -> int:
        """Return the number of its open file descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def reset_peak(self) -> None:
        """Let the peak begin at what is resident now: https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status_mb(self, name: str) -> float:
        match = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        return int(match[1]) * 1024 / 1e6 if match else 0.0

    @property
    def cpu_s(self) -> float:
        """Return the processor time that it has used."""
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running_webhook(folder: Path, variables: Mapping[str, str], *, module: str = MODULE) -> Iterator[WebhookProcess]:
    """Run the webhook with these variables and tokens; wait until it has read its cache."""
    with listening_webhook(folder, variables, module=module) as webhook:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while httpx.get(f"{webhook.url}/readyz").status_code != httpx.codes.OK:
            if time.monotonic() > deadline:
                raise TimeoutError("the webhook did not become ready")
            time.sleep(0.1)
        yield webhook


@contextmanager
def listening_webhook(folder: Path, variables: Mapping[str, str], *, module: str = MODULE) -> Iterator[WebhookProcess]:
    """Run the webhook with these variables, a token of a user and one of an admin; wait until it listens.

    `module`: what runs it.
    """
    tokens, port = folder / "tokens.json", free_port()
    grants = [{"token": TOKEN, "user": "default"}, {"token": ADMIN_TOKEN, "user": "root", "role": "admin"}]
    tokens.write_text(json.dumps(grants))
    place = {"HOST": "127.0.0.1", "PORT": str(port), "AUTH_TOKENS_FILE": str(tokens)}
    command, environment = [sys.executable, "-m", module], {**os.environ, **place, **variables}
    with serving(command, port=port, log=folder / "webhook.log", environment=environment) as process:
        yield WebhookProcess(f"http://127.0.0.1:{port}", process.pid, folder)
