"""One command at a time changes the cluster."""

import fcntl
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dev.cluster.places import Places


@contextmanager
def held(places: Places) -> Iterator[None]:
    """Hold the machine's lock, after whoever has it; the scratch folder is empty then. It ends with the process."""
    places.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with places.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another command that is changing the cluster", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        shutil.rmtree(places.scratch, ignore_errors=True)
        places.scratch.mkdir()
        yield
