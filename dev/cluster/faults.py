"""Ending and starting single processes of the node, for tests of what happens then."""

import os

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


def _find(name: str) -> tuple[Node, Process]:
    places = Places.of(os.environ)
    node = find(places)
    if not node:
        raise ClusterError("there is no cluster: run `make up`")
    processes = {process.name: process for process in plan(places, programs.homes(places)).processes}
    if name not in processes:
        raise ClusterError(f"the node has no process {name}, only {', '.join(processes)}")
    return node, processes[name]
