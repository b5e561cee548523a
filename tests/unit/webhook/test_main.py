"""Modules that the webhook loads at its start."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = """
import asyncio, os, sys
os.environ["KUBECONFIG"] = sys.argv[1]
from mediaimport_runtime.kubernetes.client import connect
import mediaimport_webhook.__main__
async def main():
    async with connect('test', connections=1): pass
asyncio.run(main())
print(*sys.modules)
"""
KUBECONFIG = """
{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
 clusters: [{name: a, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: a, user: {}}]}
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    file = tmp_path_factory.mktemp("kube") / "kubeconfig"
    file.write_text(KUBECONFIG)
    command = [sys.executable, "-c", LOADED, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_webhook_loads_the_kubernetes_client_at_its_start(loaded: set[str]) -> None:
    assert "kubernetes.aio.client" in loaded


@pytest.mark.parametrize("module", ["kubernetes.client", "jwt", "cryptography", "requests", "sqlalchemy", "alembic"])
def test_webhook_does_not_load_what_its_settings_do_not_need(loaded: set[str], module: str) -> None:
    assert module not in loaded
