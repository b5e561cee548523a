from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dev.cluster import lifecycle, node

if TYPE_CHECKING:
    from dev.cluster.places import Places


def record(places: Places, content: str) -> None:
    node.launcher_record(places).parent.mkdir(parents=True)
    node.launcher_record(places).write_text(content)


def test_there_is_no_node_before_the_first(places: Places) -> None:
    assert node.find(places) is None


def test_record_that_was_cut_off_is_no_node(places: Places) -> None:
    record(places, "")
    assert node.find(places) is None


def test_process_of_somebody_else_is_no_node(places: Places) -> None:
    record(places, str(os.getpid()))
    assert node.find(places) is None


def test_nothing_is_ended_where_nothing_was_begun(places: Places) -> None:
    record(places, str(os.getpid()))
    assert not lifecycle.end(places)
