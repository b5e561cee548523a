"""Recipe of an asset as its owner sees it, from the spec's provider. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from mediaimport_api.model import MAX_COUNT
from mediaimport_api.sidecar import RecordedProvider
from pydantic import ValidationError

from mediaimport_webhook.http import problems
from mediaimport_webhook.http.bodies import encoded

if TYPE_CHECKING:
    from mediaimport_webhook.cluster import Resource
    from mediaimport_webhook.http import schemas

_TIMES = {"created_at", "started_at", "completed_at"}


def packed_recipe(provider: Resource | RecordedProvider | None) -> tuple[bytes | None, str | None]:
    """Return the recipe as JSON, which takes a tenth of its objects in memory; None, and why, if it cannot be shown.

    A provider that was validated before, as that of a sidecar, is not validated again.
    """
    if provider is None:
        return None, None
    try:
        recipe = _shown(RecordedProvider.model_validate(provider))
    except ValidationError as error:
        return None, f"spec.source.provider{problems.first_error(error).replace('Value error, ', '')}: it is left out"
    return encoded(recipe), None


def unpacked_recipe(packed: bytes | None) -> schemas.Generation | None:
    """Return the recipe of `packed_recipe`."""
    return None if packed is None else cast("schemas.Generation", json.loads(packed))


def _shown(provider: RecordedProvider) -> schemas.Generation:
    times = provider.model_dump(mode="json", include=_TIMES)
    return {
        "provider": provider.name,
        "id": provider.id,
        "pointer": provider.pointer,
        "model": provider.model,
        "version": provider.version,
        "input": provider.input,
        "metrics": provider.metrics,
        "seed": _seed(provider.seed),
        "created_at": times["created_at"],
        "started_at": times["started_at"],
        "completed_at": times["completed_at"],
        "truncated": bool(provider.truncated),
    }


def _seed(text: str | None) -> int | str | None:
    """Return the number, and the text of one that not every JSON reader represents exactly."""
    return int(text) if text is not None and abs(int(text)) <= MAX_COUNT else text
