"""MediaImports that the shim makes: their manifests, and creating each once however often it is asked for."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4, uuid5

from mediaimport_api import names
from mediaimport_api.sidecar import Tombstone
from mediaimport_api.spec import MAX_METADATA_BYTES, MAX_URL_BYTES, MediaType, Provider, Source, Spec
from mediaimport_runtime.kubernetes.errors import AlreadyExistsError, InvalidError, UnavailableError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mediaimport_webhook.catalogue.entry import LABEL_SWEPT, is_deleted
from mediaimport_webhook.store.presign import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mediaimport_webhook.catalogue.entry import Entry
    from mediaimport_webhook.catalogue.index import Catalogue
    from mediaimport_webhook.catalogue.lookup import SidecarReader
    from mediaimport_webhook.cluster import Cluster, Resource
    from mediaimport_webhook.generation.owner import Owner
    from mediaimport_webhook.generation.providers import Output, Prediction

LABEL_ASSET = f"{names.GROUP}/asset"
"""The asset id: by it one read finds what another replica wrote."""
GENERATED = "ai-generated"

_LOG = logging.getLogger(__name__)
_TOMBSTONE_TAKES_S = 2.0

_LABELS = {names.MANAGED_BY: "mediaimport-webhook"}
_KEYED_NAMESPACE = UUID("0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54")
_MAX_NAME = 255
_MAX_TAGS = 32
_MAX_LABEL = 63


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    size = len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode())
    if size > MAX_METADATA_BYTES:
        raise ValueError(f"is {size} bytes of JSON; at most {MAX_METADATA_BYTES} are kept")
    return metadata


def _distinct(tags: list[str]) -> list[str]:
    if len(set(tags)) != len(tags):
        raise ValueError("has a tag twice")
    return tags


Tags = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=63)]], Field(max_length=_MAX_TAGS), AfterValidator(_distinct)
]


class ImportRequest(BaseModel):
    """What a caller may say of an import. Owner and provider are not a caller's to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(min_length=6, max_length=MAX_URL_BYTES, pattern=r"^[^\s\x00-\x1f\x7f]*$")]
    name: Annotated[str, Field(min_length=1, max_length=_MAX_NAME)] | None = None
    type: MediaType = MediaType.AUTO
    metadata: Annotated[dict[str, Any], Field(max_length=256), AfterValidator(_small)] | None = None
    tags: Tags | None = None


class Creation(Enum):
    """How asking for an import ended."""

    CREATED = auto()
    DUPLICATE = auto()
    """It is there already, for the same user and of the same origin."""
    TAKEN = auto()
    """Something else is there under its name."""
    REFUSED = auto()
    """The API server does not take it as it is, and never will."""
    GONE = auto()
    """It was there once."""
    DELETED = auto()
    """It was deleted for good: it does not come back."""


@dataclass(frozen=True)
class Created:
    """The end of one creation; `entry` is there if the import is."""

    creation: Creation
    entry: Entry | None = None
    message: str = ""


@dataclass(frozen=True)
class Imports:
    """Creates MediaImports; the catalogue learns of each at once."""

    cluster: Cluster
    catalogue: Catalogue
    sidecars: SidecarReader

    async def create(self, manifest: Resource, *, first: bool = False) -> Created:
        """Create it, or find that it is there, or was deleted; UnavailableError.

        `first`: it was surely never asked for before.
        """
        if not first and await self._is_buried(manifest):
            return Created(Creation.DELETED, message="it was deleted")
        try:
            resource = await self.cluster.create_import(manifest)
        except AlreadyExistsError:
            return await self._existing(manifest)
        except InvalidError as error:
            return Created(Creation.REFUSED, message=error.message)
        return Created(Creation.CREATED, self.catalogue.insert(resource))

    async def run_again(self, entry: Entry) -> Created:
        """Ask for another run of an import that is there; UnavailableError."""
        try:
            resource = await self.cluster.patch_import(
                entry.resource_name, {"spec": {"run": f"retry-{uuid4().hex[:12]}"}}
            )
        except InvalidError as error:
            return Created(Creation.REFUSED, message=error.message)
        if resource is None:
            return Created(Creation.GONE)
        return Created(Creation.CREATED, self.catalogue.insert(resource))

    async def _is_buried(self, manifest: Resource) -> bool:
        """Tell whether a tombstone lies where the asset would be.

        A store that does not say so holds nothing up: a callback is kept while it still comes, and the importer
        overwrites nothing that it finds.
        """
        about, spec = manifest["metadata"], manifest["spec"]
        if self.catalogue.named(about["name"]) is not None:
            return False
        keys = names.AssetKeys(spec.get("userId", "default"), spec["assetId"])
        try:
            async with asyncio.timeout(_TOMBSTONE_TAKES_S):
                return isinstance(await self.sidecars.read(keys), Tombstone)
        except (StoreUnavailableError, TimeoutError):
            _LOG.warning("the store does not say whether an asset was deleted", extra={"resource": about["name"]})
            return False

    async def _existing(self, manifest: Resource) -> Created:
        found = await self.cluster.get_import(manifest["metadata"]["name"])
        if found is None:
            raise UnavailableError("the import was deleted while it was asked for")
        if is_deleted(found):
            return Created(Creation.DELETED, message="it was deleted")
        if _identity(found) != _identity(manifest):
            return Created(Creation.TAKEN, message="another import has its name")
        return Created(Creation.DUPLICATE, self.catalogue.insert(found))


def _identity(resource: Resource) -> tuple[object, ...]:
    """Return what makes two manifests of one name the same import: the user and the provider's output, or all asked."""
    spec = resource["spec"]
    provider = spec["source"].get("provider")
    if provider is None:
        asked = (spec.get(each) for each in ("userId", "type", "name", "tags", "metadata"))
        return spec["source"]["url"], *asked
    return spec.get("userId", "default"), provider["name"], provider["id"], provider.get("pointer", "")


def requested_manifest(request: ImportRequest, *, user_id: str, key: str | None) -> Resource:
    """Return the import that a caller asks for: the same for the same user and Idempotency-Key, else a new one."""
    asset_id = uuid4() if key is None else uuid5(_KEYED_NAMESPACE, f"{user_id}\0{key}")
    spec = Spec(
        source=Source(url=request.url),
        asset_id=asset_id,
        name=request.name,
        type=request.type,
        user_id=user_id,
        tags=request.tags or None,
        metadata=request.metadata,
    )
    return manifest_of(f"import-{asset_id}", spec, {})


def generated_manifest(
    prediction: Prediction, output: Output, *, owner: Owner, expires_at: datetime | None, swept: bool = False
) -> Resource:
    """Return the import of one output of a prediction; pydantic's ValidationError if the schema refuses it."""
    place = (prediction.provider, prediction.id, output.pointer)
    spec = Spec(
        source=Source(
            url=output.url,
            expires_at=expires_at,
            provider=Provider(
                name=prediction.provider,
                id=prediction.id,
                pointer=output.pointer,
                model=prediction.model,
                version=prediction.version,
            ),
        ),
        asset_id=names.prediction_asset_id(*place),
        name=output.file_name or None,
        user_id=owner.user_id,
        tags=generated_tags(owner.tags),
    )
    labels = {names.LABEL_SOURCE: prediction.provider, names.LABEL_PREDICTION: label_value(prediction.id)}
    return manifest_of(names.prediction_resource_name(*place), spec, labels | ({LABEL_SWEPT: "true"} if swept else {}))


def generated_tags(tags: Sequence[str]) -> list[str]:
    """Return the tags with the one that marks what a generator made."""
    return list(dict.fromkeys([GENERATED, *tags]))[:_MAX_TAGS]


def label_value(text: str) -> str:
    """Return the text if it can be a label's value, else a hash of it."""
    plain = text.isascii() and text.replace("-", "").replace("_", "").isalnum() and len(text) <= _MAX_LABEL
    if plain and text[0].isalnum() and text[-1].isalnum():
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def manifest_of(name: str, spec: Spec, labels: dict[str, str]) -> Resource:
    """Return the MediaImport of that name, with the labels by which the shim finds it."""
    asset = {LABEL_ASSET: str(spec.asset_id), names.LABEL_USER: spec.user_id}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name, "labels": _LABELS | asset | labels},
        "spec": spec.to_wire(),
    }
