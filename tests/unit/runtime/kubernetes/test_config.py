from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.kubernetes.config import configuration

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://%s.example"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a ~/.kube/config, outside any pod."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text(KUBECONFIG % "home")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


async def test_kubeconfig_names_the_cluster(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "other").write_text(KUBECONFIG % "other")
    monkeypatch.setenv("KUBECONFIG", str(home / "other"))
    assert (await configuration()).host == "https://other.example"


async def test_an_empty_kubeconfig_counts_as_unset(
    home: Path,  # noqa: ARG001 - it is there
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    assert (await configuration()).host.endswith("//home.example")


async def test_an_empty_kubeconfig_in_a_pod_means_its_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(BadSettingError, match=r"[Ss]ervice"):
        await configuration()


async def test_a_kubeconfig_that_is_missing_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(home / "missing"))
    with pytest.raises(BadSettingError, match="KUBECONFIG"):
        await configuration()
