"""The data: URI as a source: https://www.rfc-editor.org/rfc/rfc2397. Pure."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import RefusedError


def decode(uri: str) -> bytes:
    """Return the bytes in the URI; SpecInvalid if it is malformed. Its media type is ignored."""
    head, comma, body = uri.removeprefix("data:").partition(",")
    if not comma:
        raise RefusedError(Reason.SPEC_INVALID, "source.url is a data: URI without a comma before its data; correct it")
    raw = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return raw
    try:
        return base64.b64decode(_padded(raw), validate=True)
    except binascii.Error:
        raise RefusedError(
            Reason.SPEC_INVALID, "source.url is a data: URI with invalid base64; encode it again"
        ) from None


def _padded(raw: bytes) -> bytes:
    """Return standard base64; the URL-safe alphabet and missing padding are common."""
    text = raw.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n").rstrip(b"=")
    return text + b"=" * (-len(text) % 4)
