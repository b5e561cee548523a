from __future__ import annotations

import pytest

from dev.cluster.errors import NotReadyError
from dev.cluster.waiting import until


def test_it_returns_as_soon_as_the_condition_holds() -> None:
    answers = iter([False, False, True])
    until(lambda: next(answers), timeout_s=10, what="the node is Ready")
    assert list(answers) == []


def test_what_was_waited_for_is_told_when_it_does_not_come() -> None:
    with pytest.raises(NotReadyError, match="the node is Ready: not so after 0 s"):
        until(lambda: False, timeout_s=0, what="the node is Ready")
