"""CRC64NVME, S3's full-object checksum of multipart uploads: it is cheap enough to check every hand-over with it."""

from __future__ import annotations


class Crc64nvme:
    """A running CRC64NVME. The first use imports a large library, which no source has to wait for."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """Add bytes."""
        from awscrt.checksums import crc64nvme  # noqa: PLC0415 - see the class

        self._value = crc64nvme(data, self._value)

    def hexdigest(self) -> str:
        """Return the checksum of all bytes so far in hex."""
        return f"{self._value:016x}"
