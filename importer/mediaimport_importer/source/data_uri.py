"""The data: URI as a source. Pure."""

from __future__ import annotations

from mediaimport_api.data_uri import decoded
from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import RefusedError


def decode(uri: str) -> bytes:
    """Return the bytes in the URI; SpecInvalid if it is malformed."""
    try:
        return b"".join(decoded(uri))
    except ValueError as error:
        raise RefusedError(Reason.SPEC_INVALID, f"source.url is a data: URI that {error}; correct it") from None
