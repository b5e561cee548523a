from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from dev.cluster import interruption

TWICE = """
import os, signal, time
from dev.cluster import interruption
with interruption.noted():
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
    print("still here")
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_is_noted_and_the_block_ends_by_itself(sent: signal.Signals) -> None:
    former, passed = signal.getsignal(sent), []

    def block() -> None:
        with interruption.noted() as interrupted:
            os.kill(os.getpid(), sent)
            passed.append(interrupted.wait(5))

    with pytest.raises(KeyboardInterrupt):
        block()
    assert passed == [True]
    assert signal.getsignal(sent) == former


def test_error_of_the_block_is_not_hidden_by_an_interruption() -> None:
    def block() -> None:
        with interruption.noted() as interrupted:
            interrupted.set()
            raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        block()


def test_second_signal_ends_the_process_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
