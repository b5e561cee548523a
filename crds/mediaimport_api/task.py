"""What the operator hands to an importer: one environment variable of JSON."""

from __future__ import annotations

from pydantic import Field

from mediaimport_api.model import Model
from mediaimport_api.sidecar import Owner
from mediaimport_api.spec import Spec

TASK_VARIABLE = "MEDIAIMPORT_TASK"
TERMINATION_MESSAGE_PATH = "/dev/termination-log"
IMPORTER_CONTAINER = "importer"
PROBER_CONTAINER = "prober"


class Task(Model):
    """One attempt. The limits are settled: the spec's, or the operator's defaults."""

    owner: Owner
    asset_id: str
    spec: Spec
    run: str
    attempt: int = Field(ge=1)
    max_size_bytes: int = Field(ge=1)
    deadline_seconds: int = Field(ge=10)
