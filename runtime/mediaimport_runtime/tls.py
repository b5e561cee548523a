"""TLS of connections to strangers' servers."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi


def default_tls_context() -> ssl.SSLContext:
    """Return a TLS context with the system's CA certificates (or SSL_CERT_FILE's), certifi's if there are none."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and not (paths.capath and any(Path(paths.capath).iterdir())):
        context.load_verify_locations(certifi.where())
    return context
