from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev.cluster import ports

COUNT = 150
RESERVE = f"""
import sys
from dev.cluster import ports
print(*[ports.reserve(range(20_000, 20_400)) for _ in range({COUNT})], flush=True)
sys.stdin.read()
"""


def test_processes_at_once_never_reserve_the_same_port() -> None:
    command = [sys.executable, "-c", RESERVE]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as one,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as other,
    ):
        reserved = [port for each in (one, other) if each.stdout for port in each.stdout.readline().split()]
        one.communicate()
        other.communicate()
    assert len(reserved) == 2 * COUNT
    assert len(set(reserved)) == 2 * COUNT


def test_port_of_a_running_server_is_not_reserved() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        used = server.getsockname()[1]
        with pytest.raises(RuntimeError, match="no port from"):
            ports.reserve(range(used, used + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own setting")
def test_no_connection_takes_a_reserved_port() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert ports.PORTS.stop <= first
