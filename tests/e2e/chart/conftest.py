from __future__ import annotations

import pytest

from dev.cluster.kubectl import Kube
from tests.support.installation.chart import Chart


@pytest.fixture(scope="session")
def chart(environment: dict[str, str]) -> Chart:
    """The chart, rendered by the helm that `make up` built."""
    return Chart(Kube(environment))
