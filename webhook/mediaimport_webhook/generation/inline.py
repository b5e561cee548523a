"""Files that came inline, as data: URIs, and are too large for a resource: they wait in the store for their import."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaimport_api.data_uri import SCHEME, decoded
from mediaimport_api.spec import url_oversize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mediaimport_webhook.generation.outputs import Output


@dataclass(frozen=True)
class InlineFile:
    """Content of a data: URI, which is kept encoded: only pieces of it are ever decoded at a time."""

    uri: str = field(repr=False)
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, uri: str) -> InlineFile:
        """Return the file with size and checksum, for which all of it is decoded once; ValueError."""
        digest, size_bytes = hashlib.sha256(), 0
        for piece in decoded(uri):
            digest.update(piece)
            size_bytes += len(piece)
        return cls(uri, size_bytes, digest.hexdigest())

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in pieces."""
        return decoded(self.uri)


def is_too_large(output: Output) -> bool:
    """Tell whether an output is a data: URI that no resource can hold."""
    return output.url.startswith(SCHEME) and url_oversize(output.url) is not None
