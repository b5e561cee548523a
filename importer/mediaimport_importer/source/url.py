"""URLs of sources as they are requested: ASCII, with the host that a browser asks for. Pure."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import idna

_PATH_SAFE = "/%:@!$&'()*+,;=~[]"
_QUERY_SAFE = "/%:@!$&'()*+,;=~?[]{}|^`\\\"<>"


def ascii_url(url: str) -> str:
    """Return the URL in ASCII and without its fragment; UnicodeError or ValueError for an impossible host."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    return urlunsplit((parts.scheme, ascii_host(parts.netloc), path, quote(parts.query, safe=_QUERY_SAFE), ""))


def ascii_host(host: str) -> str:
    """Return the host, with its port if it has one, by IDNA 2008 after UTS 46 mapping, not transitional.

    Browsers do so: `straße.example` and `strasse.example` are two hosts (https://url.spec.whatwg.org/#idna).
    """
    if host.isascii():
        return host
    name, colon, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "")
    mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
    return ".".join(_ascii_label(label) for label in mapped.split(".")) + colon + port


def _ascii_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return idna.alabel(label).decode()
    except idna.InvalidCodepointContext:
        raise
    except idna.InvalidCodepoint:
        # A symbol such as ☃, which UTS 46 allows and browsers ask for, though IDNA 2008 does not register it.
        return f"xn--{label.encode('punycode').decode()}"


def redirected(url: str, location: str) -> str:
    """Return the URL that a Location header leads to, resolved against the URL that answered.

    `location` is as httpcore decodes it, in Latin-1: raw UTF-8 is read as UTF-8, other raw bytes are percent-encoded.
    """
    raw = location.encode("latin-1")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "".join(char if char.isascii() else f"%{ord(char):02X}" for char in location)
    return urljoin(url, text)
