"""Starting the node: what runs stays, what is missing is started, what does not come round is made anew."""

import sys
from collections.abc import Callable

from dev.cluster import addresses, lifecycle, s3
from dev.cluster.api import Api
from dev.cluster.errors import NotReadyError
from dev.cluster.node import Node, find
from dev.cluster.places import Places
from dev.cluster.processes import Plan
from dev.cluster.waiting import until

# A fresh node takes five seconds, on a busy machine twenty. One that runs and does not answer is broken.
FRESH_TIMEOUT_S = 60.0
MEND_TIMEOUT_S = 10.0


def boot(places: Places, wanted: Plan) -> None:
    """Leave a node that is ready: the one that runs, mended if need be, or a new one."""
    if not _mended(places, wanted):
        lifecycle.end(places)
        _ready(places, wanted, lifecycle.begin(places, wanted), timeout_s=FRESH_TIMEOUT_S)


def _mended(places: Places, wanted: Plan) -> bool:
    """Tell whether the running node is what we want and is, or has been made, ready."""
    running = find(places)
    if not running:
        return False
    if running.fingerprint != wanted.fingerprint:
        _say("the running node is half made or of other settings: starting anew")
        return False
    try:
        _ready(places, wanted, running, timeout_s=MEND_TIMEOUT_S)
    except NotReadyError as error:
        _say(f"{error}; starting anew")
        return False
    return True


def _ready(places: Places, wanted: Plan, running: Node, *, timeout_s: float) -> None:
    """Start what is not running, in order, and wait until all of it serves."""
    api = Api.at(places)

    def wait(what: str, condition: Callable[[], bool]) -> None:
        try:
            until(condition, timeout_s=timeout_s, what=what)
        except NotReadyError as error:
            raise NotReadyError(f"{error}; {_diagnosis(places, wanted, running)}") from None

    for process in wanted.processes:
        if process.needs_api:
            wait("the API server answers", api.ready)
        running.start(process)
    wait("the image registry answers", lambda: s3.listening(addresses.REGISTRY))
    wait("the S3 server answers", lambda: s3.listening(addresses.S3))
    s3.make_bucket(places)
    wait("the node is Ready", api.node_ready)
    wait("the default namespace has its service account", api.namespace_ready)


def _diagnosis(places: Places, wanted: Plan, running: Node) -> str:
    dead = [process.name for process in wanted.processes if not running.pid_of(process)]
    return f"not running: {', '.join(dead) or 'none'}; logs: {places.node / 'logs'}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
