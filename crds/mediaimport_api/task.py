"""The task of a Job: one environment variable of JSON, written by the operator."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from mediaimport_api.model import Model, Sha256
from mediaimport_api.sidecar import Owner
from mediaimport_api.spec import Spec

DELETION_VARIABLE = "MEDIAIMPORT_DELETION"
TERMINATION_MESSAGE_PATH = "/dev/termination-log"
IMPORTER_CONTAINER = "importer"
PROBER_CONTAINER = "prober"
CLEANUP_CONTAINER = "cleanup"


class Deletion(Model):
    """The task of a cleanup Job for `deletionPolicy: Delete`: the asset to delete, and its owner."""

    owner: Owner
    user_id: str
    asset_id: str
    source_fingerprint: Sha256


class Task(Model):
    """One attempt, with its limits: the spec's, or the operator's defaults."""

    owner: Owner
    asset_id: str
    spec: Spec
    run: str
    created_at: AwareDatetime | None = None
    """The creation of the resource; a generator's output that is younger than some minutes may not be visible yet."""
    attempt: int = Field(ge=1)
    look_at_store: bool = False
    """Test whether the store honours conditional writes, and report it in the result."""
    more_memory: bool = False
    """The attempt has twice the memory, and none after it has more: media that the prober cannot read is stored so."""
    max_size_bytes: int = Field(ge=1)
    deadline_seconds: int = Field(ge=10)
