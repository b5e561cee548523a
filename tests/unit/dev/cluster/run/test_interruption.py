from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from dev.cluster.run import interruption

THREE_SIGNALS = """
import os, signal, time
from dev.cluster.run import interruption
with interruption.noted():
    for wait_s in (0, 0, 1.2):
        time.sleep(wait_s)
        print("before a signal", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
    print("still here")
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_is_noted_and_the_block_ends_by_itself(sent: signal.Signals) -> None:
    former, passed = signal.getsignal(sent), []

    def block() -> None:
        with interruption.noted() as interrupted:
            os.kill(os.getpid(), sent)
            passed.append(interrupted.wait(60))

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


def test_signal_that_comes_twice_at_once_is_one_and_a_later_one_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", THREE_SIGNALS], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == "before a signal\n" * 3
