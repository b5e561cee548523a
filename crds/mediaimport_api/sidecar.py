"""The sidecar, `asset.json`: the permanent record next to a stored asset. If it exists, the asset is complete."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from mediaimport_api.model import Lenient, Sha256, Timestamp
from mediaimport_api.result import DescriptionOutcome
from mediaimport_api.spec import MediaType, Provider
from mediaimport_api.status import Asset, Media, Thumbnail


def source_fingerprint(location: str) -> str:
    """Return the SHA-256 of `Source.location` in hex, which identifies a source without revealing its URL."""
    return hashlib.sha256(location.encode()).hexdigest()


class Owner(Lenient):
    """The MediaImport that stored the asset."""

    namespace: str
    name: str
    uid: str


class RecordedProvider(Provider):
    """The spec's provider, with the recipe; a later release may write more of it."""

    model_config = ConfigDict(extra="ignore")


class Provenance(Lenient):
    """The spec's fields about the media's origin and use."""

    source_host: str | None = None
    provider: RecordedProvider | None = None
    name: str | None = None
    type: MediaType = MediaType.AUTO
    user_id: str
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None


class Sidecar(Lenient):
    """The complete record. `ffprobe` is ffprobe's own JSON, its known fields with bounded values."""

    version: Literal[1] = 1
    owner: Owner
    source_fingerprint: Sha256
    created_at: Timestamp | None = None
    """The creation of the MediaImport; None in the sidecar of an older importer."""
    imported_at: Timestamp
    importer_version: Annotated[str, Field(max_length=64)] | None = None
    provenance: Provenance
    asset: Asset
    media: Media
    thumbnail: Thumbnail | None = None
    description: DescriptionOutcome | None = None
    ffprobe: dict[str, Any]

    def belongs_to(self, owner: Owner, fingerprint: str) -> bool:
        """Tell whether the asset belongs to a resource, by namespace, name and source.

        The uid may differ, so that a reinstalled resource finds its own asset again.
        """
        same_name = (self.owner.namespace, self.owner.name) == (owner.namespace, owner.name)
        return same_name and self.source_fingerprint == fingerprint


class Tombstone(Lenient):
    """The record that replaces a deleted asset's sidecar and prevents a new import of it."""

    version: Literal[1] = 1
    deleted: Literal[True] = True
    owner: Owner
    source_fingerprint: Sha256
    deleted_at: Timestamp


Record = Annotated[Sidecar | Tombstone, Field(union_mode="left_to_right")]
_RECORD: TypeAdapter[Sidecar | Tombstone] = TypeAdapter(Record)


def read_record(body: bytes | str) -> Sidecar | Tombstone:
    """Return the sidecar or tombstone in `asset.json`; pydantic.ValidationError if it is neither."""
    return _RECORD.validate_json(body)
