"""data: URIs. Pure. https://www.rfc-editor.org/rfc/rfc2397."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import RefusedError


def decode(uri: str) -> bytes:
    """Return the bytes that the URI holds; SpecInvalid if it is none. What it says of their type is not asked."""
    head, comma, body = uri.removeprefix("data:").partition(",")
    if not comma:
        raise RefusedError(Reason.SPEC_INVALID, "source.url is a data: URI without a comma before its data")
    raw = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(_padded(raw), validate=True)
    except binascii.Error:
        raise RefusedError(
            Reason.SPEC_INVALID, "source.url is a data: URI whose base64 is broken; encode it anew"
        ) from None


def _padded(raw: bytes) -> bytes:
    """Return standard base64: of the URL-safe alphabet, or without padding, is common and means the same."""
    text = raw.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n").rstrip(b"=")
    return text + b"=" * (-len(text) % 4)
