"""`make up`, stopped at random moments of its whole way on a machine without the node and without one package."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.cluster.cache import CHECKOUT, Cache
from dev.cluster.node import cgroups
from dev.cluster.programs.debian import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.machine

PACKAGE = "ethtool"
"""Small package that `make up` installs."""
MOMENTS = 10
ENDED_WITHIN_S = 60.0


def run(*command: str) -> str:
    return subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout


def make(target: str) -> None:
    run("make", target)


def without_package() -> None:
    run("apt-get", "-q", "-y", "remove", PACKAGE)


def machine() -> dict[str, object]:
    """Return all that `make up` changes of a machine, besides the packages and its cache."""
    links = [each["ifname"] for each in json.loads(run("ip", "-json", "link"))]
    groups = [str(each) for each in Path("/sys/fs/cgroup").rglob(cgroups.NAME)]
    folder = str(Cache.of(os.environ).node)
    return {
        "policy": POLICY.read_text() if POLICY.exists() else None,
        "links": links,
        "routes": run("ip", "-4", "route", "show", "table", "all").splitlines(),
        "control groups": groups,
        "mounts": [line for line in Path("/proc/self/mounts").read_text().splitlines() if folder in line],
        "processes of the node": processes_naming(folder),
        "network namespaces": [line for line in run("lsns", "--type", "net").splitlines() if "programs/pause" in line],
        "half installed": run("dpkg", "--audit"),
    }


def processes_naming(folder: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if folder in words and "dev.cluster" not in words:
                found.append(words)
    return found


def start() -> subprocess.Popen[bytes]:
    """Start `make up` as a terminal does, in a process group of its own."""
    command, quiet = ("make", "up"), subprocess.DEVNULL
    return subprocess.Popen(command, cwd=CHECKOUT, process_group=0, stdout=quiet, stderr=quiet)


@pytest.fixture(scope="module")
def policy_of_ours() -> Iterator[None]:
    """Without a policy of the machine's own, which would hide ours; it is put back."""
    aside = POLICY.with_name("policy-rc.d.aside")
    if POLICY.exists():
        POLICY.rename(aside)
    yield
    if aside.exists():
        aside.rename(POLICY)


@pytest.fixture(scope="module")
def whole_s(policy_of_ours: None) -> Iterator[float]:  # noqa: ARG001 - it moves the machine's policy aside
    """Duration of the whole way, with images that are built; in the end the cluster is up again."""
    make("up")
    make("down")
    without_package()
    began = time.monotonic()
    make("up")
    yield time.monotonic() - began
    make("up")


@pytest.mark.parametrize("moment", range(MOMENTS))
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_up_leaves_the_machine_as_it_was(sent: signal.Signals, moment: int, whole_s: float) -> None:
    make("down")
    without_package()
    before = machine()
    # One moment in each tenth of the way.
    wait_s = whole_s * (moment + random.random()) / MOMENTS  # noqa: S311 - no secret
    process = start()
    time.sleep(wait_s)
    interrupted = process.poll() is None
    if interrupted:
        os.killpg(process.pid, sent)
    process.wait(ENDED_WITHIN_S)
    if not interrupted:
        make("down")
    assert machine() == before, f"{sent.name} after {wait_s:.2f} s"


@pytest.mark.parametrize("moment", range(3))
def test_killed_up_is_cleaned_up_by_down(moment: int, whole_s: float) -> None:
    make("down")
    without_package()
    before = machine()
    process = start()
    wait_s = whole_s * (moment + random.random()) / 3  # noqa: S311 - no secret
    time.sleep(wait_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    make("down")
    deadline = time.monotonic() + ENDED_WITHIN_S
    while machine() != before and time.monotonic() < deadline:  # apt ends by itself
        time.sleep(0.2)
    assert machine() == before, f"SIGKILL after {wait_s:.2f} s"
