"""A certificate for 127.0.0.1 and the authority that clients trust for it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.cluster.node import certificates

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Three PEM files."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Certificate:
        """Write a new authority and a certificate for 127.0.0.1 and localhost into the folder."""
        files = cls(folder / "ca.crt", folder / "server.crt", folder / "server.key")
        authority = certificates.authority("loopback-ca")
        pair = certificates.issue(
            authority, certificates.Subject("loopback", dns_names=("localhost",), addresses=("127.0.0.1",))
        )
        files.authority.write_bytes(authority.certificate_pem)
        files.certificate.write_bytes(pair.certificate_pem)
        files.key.write_bytes(pair.key_pem)
        return files

    def server_context(self) -> ssl.SSLContext:
        """Return a TLS context to serve with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context
