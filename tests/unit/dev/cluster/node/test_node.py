from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dev.cluster.errors import ClusterError
from dev.cluster.node import lifecycle, node
from dev.cluster.node.processes import Process

if TYPE_CHECKING:
    from dev.cluster.cache import Cache


def record(cache: Cache, content: str) -> None:
    node.launcher_record(cache).parent.mkdir(parents=True)
    node.launcher_record(cache).write_text(content)


def test_there_is_no_node_before_the_first(cache: Cache) -> None:
    assert node.find(cache) is None


def test_record_that_was_cut_off_is_no_node(cache: Cache) -> None:
    record(cache, "")
    assert node.find(cache) is None


def test_process_of_somebody_else_is_no_node(cache: Cache) -> None:
    record(cache, str(os.getpid()))
    assert node.find(cache) is None


def test_nothing_is_ended_where_nothing_was_begun(cache: Cache) -> None:
    record(cache, str(os.getpid()))
    assert not lifecycle.end(cache)


def test_process_that_is_not_running_has_no_folder(cache: Cache) -> None:
    here = node.Node(cache, launcher_pid=os.getpid(), init_pid=os.getpid())
    with pytest.raises(ClusterError, match="no-such-process is not running"):
        here.proc_folder(Process("no-such-process", ("/bin/true",)))
