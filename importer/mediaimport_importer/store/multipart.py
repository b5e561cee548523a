"""Multipart upload: for media of unknown length, beyond the limit of one PUT, or to an http:// store."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any, cast

from mediaimport_importer import background
from mediaimport_importer.errors import AttemptError, UnavailableError
from mediaimport_importer.spool import Crc64nvme
from mediaimport_importer.store.bucket import Bucket, Stored, Target, encode_checksum

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

    def send(self, body: View, crc64nvme: str) -> None:
        """Start to send the next part, which has that checksum, once a slot is free."""
        self._slots.acquire()
        number = len(self._sent) + 1
        self._sent.append(background.start(f"part-{number}", lambda: self._send(number, body, crc64nvme)))
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

    def _send(self, number: int, body: View, crc64nvme: str) -> dict[str, Any]:
        # Not the checksum of what is sent, but of what was read and checked before.
        checksum: dict[str, Any] = (
            {"ChecksumCRC64NVME": encode_checksum(crc64nvme)} if self.bucket.settings.checksums else {}
        )

        def send() -> dict[str, Any]:
            body.seek(0)
            response: dict[str, Any] = dict(
                self.bucket.client.upload_part(
                    Bucket=self.bucket.name,
                    Key=self.target.key,
                    UploadId=self.upload_id,
                    PartNumber=number,
                    Body=cast("IO[bytes]", body),
                    **checksum,
                )
            )
            part = {"PartNumber": number, "ETag": response["ETag"]}
            return part | {name: response[name] for name in ("ChecksumCRC64NVME",) if name in response}

        try:
            return self.bucket.repeated(send)
        finally:
            self._slots.release()


def upload(bucket: Bucket, target: Target, reader: Reader, *, expected_bytes: int) -> Stored:
    """Store the reader's bytes as they arrive, in parts. On any failure the upload is aborted.

    `expected_bytes`: their number, or its upper limit.
    """
    size = part_bytes(expected_bytes)
    readable = reader.reach(size)
    if readable < size:
        return bucket.put_small(target, b"".join(iter(reader.read, b"")))
    abort_orphans(bucket, prefix=f"{target.key.rpartition('/')[0]}/")
    parts = _Parts(bucket, target, _create(bucket, target))
    try:
        crc, total = _send_all(parts, reader, size)
        reader.check(crc)
        return _complete(parts, crc64nvme=crc, total_bytes=total)
    except BaseException:
        parts.settle()
        with suppress(AttemptError):
            abort(bucket, key=target.key, upload_id=parts.upload_id)
        raise


def _create(bucket: Bucket, target: Target) -> str:
    arguments = bucket.write_arguments(content_type=target.content_type, mark=target.mark)
    if bucket.settings.checksums:
        arguments |= {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    return bucket.repeated(
        lambda: bucket.client.create_multipart_upload(Bucket=bucket.name, Key=target.key, **arguments)["UploadId"]
    )


def _send_all(parts: _Parts, reader: Reader, size: int) -> tuple[str, int]:
    """Start every part as soon as its bytes have arrived; return the CRC64NVME and the size of the whole."""
    crc, sent = Crc64nvme(), 0
    while length := min(size, reader.reach(sent + size) - sent):
        part = Crc64nvme()
        _update(reader.view(sent, length), part, crc)
        parts.send(reader.view(sent, length), part.hexdigest())
        sent += length
    return crc.hexdigest(), sent


def _update(view: View, *checksums: Crc64nvme) -> None:
    while piece := view.read(_PIECE_BYTES):
        for each in checksums:
            each.update(piece)


def _complete(parts: _Parts, *, crc64nvme: str, total_bytes: int) -> Stored:
    """Make the object of the parts; the store refuses to unless its own checksum is that of the received bytes."""
    bucket, target = parts.bucket, parts.target
    arguments = bucket.condition(target.key, exclusive=True, replaces=target.replaces)
    if bucket.settings.checksums:
        arguments |= {
            "ChecksumType": "FULL_OBJECT",
            "ChecksumCRC64NVME": encode_checksum(crc64nvme),
            "MpuObjectSize": total_bytes,
        }
    sent = parts.finished()
    return bucket.once(
        lambda: Stored.of(
            bucket.client.complete_multipart_upload(
                Bucket=bucket.name,
                Key=target.key,
                UploadId=parts.upload_id,
                MultipartUpload={"Parts": sent},  # type: ignore[typeddict-item]
                **arguments,
            )
        )
    )


def abort_orphans(bucket: Bucket, *, prefix: str) -> None:
    """Abort the uploads that killed attempts left under an asset's prefix, whatever format they met.

    Errors are ignored, since a policy may forbid listing: deletion and a lifecycle rule remove orphans too.
    """
    with suppress(AttemptError):
        for key, upload_id in unfinished(bucket, prefix=prefix):
            abort(bucket, key=key, upload_id=upload_id)


def unfinished(bucket: Bucket, *, prefix: str) -> list[tuple[str, str]]:
    """Return key and id of each multipart upload under the prefix; AttemptError if the store does not list them."""
    found: list[tuple[str, str]] = []
    position: dict[str, Any] = {}
    while True:
        request = partial(bucket.client.list_multipart_uploads, Bucket=bucket.name, Prefix=prefix, **position)
        listed: dict[str, Any] = dict(bucket.repeated(request))
        found += [(each["Key"], each["UploadId"]) for each in listed.get("Uploads", [])]
        if not (listed.get("IsTruncated") and listed.get("NextKeyMarker")):
            return [each for each in found if each[0].startswith(prefix)]
        position = {"KeyMarker": listed["NextKeyMarker"], "UploadIdMarker": listed.get("NextUploadIdMarker", "")}


def abort(bucket: Bucket, *, key: str, upload_id: str) -> None:
    """Abort an upload; one that is gone by now is no error."""
    try:
        bucket.repeated(lambda: bucket.client.abort_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload_id))
    except UnavailableError as error:
        if error.http_status != HTTPStatus.NOT_FOUND:
            raise
