from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dev.cluster import commandline

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("command", [["up"], ["down"], ["stop", "kubelet"], ["start", "kubelet"]])
def test_cluster_of_the_callers_is_left_alone(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"KUBECONFIG": "/home/ada/.kube/config", "XDG_CACHE_HOME": str(tmp_path)}
    commandline.run(command, environ)
    assert "KUBECONFIG" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
