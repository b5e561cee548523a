from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.cluster import cli
from dev.cluster.errors import CannotRunHereError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("command", [["up"], ["down"], ["stop", "kubelet"], ["start", "kubelet"]])
def test_cluster_of_the_callers_is_left_alone(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"KUBECONFIG": "/home/ada/.kube/config", "XDG_CACHE_HOME": str(tmp_path)}
    cli.run(command, environ)
    assert "KUBECONFIG" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_root_on_linux_may_go_on() -> None:
    cli.check_machine(platform="linux", user_id=0)


@pytest.mark.parametrize(
    ("platform", "user_id", "obstacle"), [("darwin", 0, "this is darwin"), ("linux", 1000, "you are not root")]
)
def test_another_machine_is_refused_in_one_sentence_with_the_way_out(
    platform: str, user_id: int, obstacle: str
) -> None:
    with pytest.raises(CannotRunHereError) as refusal:
        cli.check_machine(platform=platform, user_id=user_id)
    sentence = str(refusal.value)
    assert obstacle in sentence
    assert "kind" in sentence
    assert "KUBECONFIG" in sentence
    assert "\n" not in sentence
