"""The fetched bytes in numbers, and what the spec expects of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_api.spec import Expected


@dataclass(frozen=True)
class Content:
    """A complete scratch file."""

    path: Path
    size_bytes: int
    sha256: str

    def crc64nvme(self) -> str:
        """Return S3's other full-object checksum in hex; only a store that knows no SHA-256 makes it needed."""
        from awscrt.checksums import crc64nvme  # noqa: PLC0415 - a large import for a rare question

        crc = 0
        with self.path.open("rb") as file:
            while chunk := file.read(1024 * 1024):
                crc = crc64nvme(chunk, crc)
        return f"{crc:016x}"


def check_size(size_bytes: int, expected: Expected | None) -> None:
    """Raise SizeMismatch if the spec expects another size."""
    if expected is not None and expected.size_bytes not in {None, size_bytes}:
        raise RefusedError(
            Reason.SIZE_MISMATCH,
            f"the source has {size_bytes} bytes, spec.expected.sizeBytes is {expected.size_bytes}",
        )


def check_sha256(sha256: str, expected: Expected | None) -> None:
    """Raise ChecksumMismatch if the spec expects another content."""
    if expected is not None and expected.sha256 not in {None, sha256}:
        raise RefusedError(
            Reason.CHECKSUM_MISMATCH, f"the SHA-256 of the source is {sha256}, not the one of spec.expected.sha256"
        )
