"""Multipart upload: for media of unknown length, beyond the limit of one PUT, or to an http:// store."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from awscrt.checksums import crc64nvme

from mediaimport_importer import background
from mediaimport_importer.store.bucket import Bucket, Target, encode_checksum, unquoted_etag

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mediaimport_importer.spool import Reader, View


MIB = 1024 * 1024
MIN_PART_BYTES = 8 * MIB
MAX_PARTS = 10_000
IN_FLIGHT = 4
_PIECE_BYTES = MIB


def part_bytes(size_bytes: int) -> int:
    """Return the part size with which `size_bytes` fit into MAX_PARTS: whole MiB, 8 or more."""
    needed = -(-size_bytes // MAX_PARTS)
    return max(MIN_PART_BYTES, -(-needed // MIB) * MIB)


@dataclass
class _Parts:
    """The parts of one upload: at most IN_FLIGHT at a time, each read from the scratch file while it is sent."""

    bucket: Bucket
    target: Target
    upload_id: str

    def __post_init__(self) -> None:
        self._slots = threading.Semaphore(IN_FLIGHT)
        self._sent: list[Future[dict[str, Any]]] = []

    def send(self, body: View) -> None:
        """Start to send the next part, once a slot is free."""
        self._slots.acquire()
        number = len(self._sent) + 1
        self._sent.append(background.start(f"part-{number}", lambda: self._send(number, body)))
        for each in self._sent:
            if each.done():
                each.result()

    def finished(self) -> list[dict[str, Any]]:
        """Wait for all parts; return their entries for CompleteMultipartUpload."""
        return [each.result() for each in self._sent]

    def settle(self) -> None:
        """Wait until no part is in flight: an abort before that would leave late parts behind."""
        for each in self._sent:
            with suppress(Exception):
                each.result()

    def _send(self, number: int, body: View) -> dict[str, Any]:
        checksum = {"ChecksumAlgorithm": "CRC64NVME"} if self.bucket.settings.checksums else {}

        def send() -> dict[str, Any]:
            body.seek(0)
            response: dict[str, Any] = dict(
                self.bucket.client.upload_part(
                    Bucket=self.bucket.name,
                    Key=self.target.key,
                    UploadId=self.upload_id,
                    PartNumber=number,
                    Body=cast("IO[bytes]", body),
                    **checksum,  # type: ignore[arg-type]
                )
            )
            part = {"PartNumber": number, "ETag": response["ETag"]}
            return part | {name: response[name] for name in ("ChecksumCRC64NVME",) if name in response}

        try:
            return self.bucket.repeated(send)
        finally:
            self._slots.release()


def upload(bucket: Bucket, target: Target, reader: Reader, *, expected_bytes: int) -> str:
    """Store the reader's bytes as they arrive, in parts; return the etag. On any failure the upload is aborted.

    `expected_bytes`: their number, or its upper limit.
    """
    size = part_bytes(expected_bytes)
    readable = reader.reach(size)
    if readable < size:
        first, exclusive = reader.view(0, readable).readall(), target.replaces is None
        return bucket.put(target.key, first, content_type=target.content_type, exclusive=exclusive, mark=target.mark)
    abort_orphans(bucket, target.key)
    parts = _Parts(bucket, target, _create(bucket, target))
    try:
        crc, total = _send_all(parts, reader, size)
        return _complete(parts, crc=crc, total_bytes=total)
    except BaseException:
        parts.settle()
        _abort(bucket, target.key, parts.upload_id)
        raise


def _create(bucket: Bucket, target: Target) -> str:
    arguments = bucket.write_arguments(content_type=target.content_type, mark=target.mark)
    if bucket.settings.checksums:
        arguments |= {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    return bucket.repeated(
        lambda: bucket.client.create_multipart_upload(Bucket=bucket.name, Key=target.key, **arguments)["UploadId"]
    )


def _send_all(parts: _Parts, reader: Reader, size: int) -> tuple[int, int]:
    """Start every part as soon as its bytes have arrived; return the CRC64NVME and the size of the whole."""
    crc, sent = 0, 0
    while length := min(size, reader.reach(sent + size) - sent):
        crc = _updated(crc, reader.view(sent, length))
        parts.send(reader.view(sent, length))
        sent += length
    return crc, sent


def _updated(crc: int, part: View) -> int:
    while piece := part.read(_PIECE_BYTES):
        crc = crc64nvme(piece, crc)
    return crc


def _complete(parts: _Parts, *, crc: int, total_bytes: int) -> str:
    bucket, target = parts.bucket, parts.target
    arguments = bucket.condition(target.key, exclusive=True, replaces=target.replaces)
    if bucket.settings.checksums:
        arguments |= {
            "ChecksumType": "FULL_OBJECT",
            "ChecksumCRC64NVME": encode_checksum(f"{crc:016x}"),
            "MpuObjectSize": total_bytes,
        }
    sent = parts.finished()
    return bucket.once(
        lambda: unquoted_etag(
            bucket.client.complete_multipart_upload(
                Bucket=bucket.name,
                Key=target.key,
                UploadId=parts.upload_id,
                MultipartUpload={"Parts": sent},  # type: ignore[typeddict-item]
                **arguments,
            ).get("ETag")
        )
    )


def _abort(bucket: Bucket, key: str, upload_id: str) -> None:
    with suppress(Exception):
        bucket.repeated(lambda: bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload_id))


def abort_orphans(bucket: Bucket, key: str) -> None:
    """Abort the uploads that a killed attempt left under this key.

    Errors are ignored, since a policy may forbid listing: a lifecycle rule removes orphans too.
    """
    with suppress(Exception):
        listed = bucket.client.list_multipart_uploads(Bucket=bucket.name, Prefix=key).get("Uploads", [])
        for each in listed:
            if each.get("Key") == key and each.get("UploadId"):
                _abort(bucket, key, each["UploadId"])
