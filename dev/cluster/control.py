"""Control of single processes of the node, for tests: stop and start them, or add one such as a second store."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from dev.cluster import addresses, ports
from dev.cluster.cache import Cache
from dev.cluster.errors import ClusterError
from dev.cluster.exports import is_foreign
from dev.cluster.node.node import Node, find
from dev.cluster.node.processes import Process, plan
from dev.cluster.programs import go

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Several runs may each have a second store.
_STORE_PORTS = range(17000, 18000)
_STORE_KEYS = {"S3_ACCESS_KEY_ID": "second", "S3_SECRET_ACCESS_KEY": "second-secret"}


def stop(name: str) -> None:
    """Kill a process of the node (kubelet, apiserver, versitygw, …); it stays stopped."""
    node, process = _find(name)
    node.stop(process)


def start(name: str) -> None:
    """Start a stopped process again."""
    node, process = _find(name)
    node.start(process)


def proc_folder(name: str) -> Path:
    """Return the folder in /proc of a process of the node, for its processor time."""
    node, process = _find(name)
    return node.proc_folder(process)


def end(process: Process) -> None:
    """Stop a process that `running` has started and a killed run has left."""
    _node(Cache.of(os.environ)).stop(process)


@contextmanager
def running(process: Process) -> Iterator[Node]:
    """Run one more process in the node while the block runs; yield the node, which can stop and start it."""
    node = _node(Cache.of(os.environ))
    node.start(process)
    try:
        yield node
    finally:
        node.stop(process)


@contextmanager
def second_store(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Run another S3 server with keys of its own while the block runs; yield its S3_… variables.

    The caller makes the bucket. A cluster that KUBECONFIG names has no second store: the first one's variables.
    """
    cache = Cache.of(os.environ)
    own = {name: value for name, value in environment.items() if name.startswith("S3_")}
    if is_foreign(os.environ, cache):
        yield own
        return
    address = f"{addresses.NODE}:{ports.reserve(_STORE_PORTS, host=addresses.NODE)}"
    with (
        tempfile.TemporaryDirectory(prefix="s3-", dir=cache.node) as folder,
        running(_store_process(cache, address=address, folder=folder)),
    ):
        yield own | _STORE_KEYS | {"S3_ENDPOINT_URL": f"https://{address}"}


def _find(name: str) -> tuple[Node, Process]:
    cache = Cache.of(os.environ)
    node = _node(cache)
    processes = {process.name: process for process in plan(cache, go.homes(cache)).processes}
    if name not in processes:
        raise ClusterError(f"the node has no process {name}, only {', '.join(processes)}")
    return node, processes[name]


def _node(cache: Cache) -> Node:
    node = find(cache)
    if not node:
        raise ClusterError("there is no cluster: run `make up`")
    return node


def _store_process(cache: Cache, *, address: str, folder: str) -> Process:
    first = plan(cache, go.homes(cache)).process("versitygw")
    if first is None:
        raise LookupError("the node has no S3 server")
    *options, _ = (address if each == addresses.S3 else each for each in first.argv)
    keys = (
        ("ROOT_ACCESS_KEY", _STORE_KEYS["S3_ACCESS_KEY_ID"]),
        ("ROOT_SECRET_KEY", _STORE_KEYS["S3_SECRET_ACCESS_KEY"]),
    )
    return replace(first, name=f"versitygw-{address}", argv=(*options, folder), environ=keys)
