from __future__ import annotations

import os

import pytest

from dev.cluster.cache import Cache
from dev.cluster.kubectl import Kube
from tests.support.installation.chart import Chart


@pytest.fixture(scope="session")
def chart() -> Chart:
    """The chart, rendered by the helm that `make up` built; it needs no cluster."""
    return Chart(Kube({"PATH": f"{Cache.of(os.environ).bin}:{os.environ['PATH']}"}))
