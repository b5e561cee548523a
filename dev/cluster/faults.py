"""Ending and starting single processes of the node, for tests of what happens then."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dev.cluster import programs
from dev.cluster.errors import ClusterError
from dev.cluster.node import Node, find
from dev.cluster.places import Places
from dev.cluster.processes import Process, plan


def stop(name: str) -> None:
    """End a process of the node (kubelet, apiserver, versitygw, …) as a crash would; it stays away."""
    node, process = _find(name)
    node.stop(process)


def start(name: str) -> None:
    """Start it again."""
    node, process = _find(name)
    node.start(process)


@contextmanager
def beside(process: Process) -> Iterator[Node]:
    """Run one more process in the node, for as long as the block does; yield the node, which can stop and start it."""
    node = _node(Places.of(os.environ))
    node.start(process)
    try:
        yield node
    finally:
        node.stop(process)


def _find(name: str) -> tuple[Node, Process]:
    places = Places.of(os.environ)
    node = _node(places)
    processes = {process.name: process for process in plan(places, programs.homes(places)).processes}
    if name not in processes:
        raise ClusterError(f"the node has no process {name}, only {', '.join(processes)}")
    return node, processes[name]


def _node(places: Places) -> Node:
    node = find(places)
    if not node:
        raise ClusterError("there is no cluster: run `make up`")
    return node
