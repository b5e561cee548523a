"""Uploads: a caller puts a file into the store by a presigned URL, and completes it into an import.

The id is ours, and the key is made of it and of the caller's user: no request names a key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from mediaimport_api.names import incoming_key

from mediaimport_webhook.http import problems, schemas
from mediaimport_webhook.imports.create import CreationOutcome, CreationResult, Imports
from mediaimport_webhook.imports.manifest import uploaded_manifest

if TYPE_CHECKING:
    from mediaimport_webhook.access import Caller
    from mediaimport_webhook.catalogue import AssetLookup, Entry
    from mediaimport_webhook.generation.records import Record, Records
    from mediaimport_webhook.imports.quota import Quota
    from mediaimport_webhook.store import IncomingStore

MAX_BEGUN = 200
"""Uploads that one user may have begun and not completed: each is a Lease for a day."""
_LIFETIME = timedelta(days=1)
"""Of the record of an upload: it can be completed for so long."""
_MAX_PUT_BYTES = 5 * 1000**3
"""S3's limit of one PUT."""
_BEGUN, _COMPLETED = "upload", "completed-upload"
_RETRY_AFTER_S = 60


@dataclass(frozen=True)
class Uploads:
    """Uploads of callers. `max_size_bytes` is the importer's limit."""

    records: Records
    incoming: IncomingStore
    imports: Imports
    lookup: AssetLookup
    quota: Quota
    max_size_bytes: int

    async def begin(self, request: schemas.UploadRequest, *, user_id: str) -> schemas.BegunUpload:
        """Return a new upload; a Problem, StoreUnavailableError, UnavailableError."""
        self._check_size(request.size_bytes)
        (await self.quota.allowance(user_id)).take(request.size_bytes)
        if await self.records.count(_BEGUN, user_id) >= MAX_BEGUN:
            raise _too_many()
        upload_id = uuid4()
        signed = await self.incoming.sign_upload(
            incoming_key(user_id, upload_id),
            content_type=request.content_type,
            size_bytes=request.size_bytes,
            sha256=request.sha256,
        )
        data = {"user": user_id, "request": request.model_dump_json(exclude_unset=True)}
        await self.records.create(_record_name(upload_id), data, kind=_BEGUN, lifetime=_LIFETIME, user_id=user_id)
        return {
            "id": str(upload_id),
            "method": "PUT",
            "url": signed.url.url,
            "headers": dict(signed.headers),
            "expires_at": signed.url.expires_at_text,
        }

    async def complete(self, text: str, caller: Caller) -> CreationResult:
        """Create the import of an upload, once; a 404 Problem if it is not the caller's, 409 if the file is not there.

        The importer removes the object: a repeated request is answered by the import itself.
        """
        upload_id = _upload_id(text)
        record = await self._record(upload_id, caller.user_id)
        imported = await self._imported(upload_id, caller)
        if imported is not None:
            created = CreationResult(CreationOutcome.DUPLICATE, imported)
        else:
            created = await self._import(upload_id, _request(record), user_id=caller.user_id)
        if created.entry is not None and "completed" not in record.data:
            await self.records.replace(record, {**record.data, "completed": "true"}, kind=_COMPLETED)
        return created

    def _check_size(self, size_bytes: int) -> None:
        largest = min(self.max_size_bytes, _MAX_PUT_BYTES)
        if size_bytes > largest:
            detail = f"is {size_bytes}; an upload may have at most {largest} bytes"
            raise problems.invalid([problems.FieldError("/size_bytes", detail)])

    async def _record(self, upload_id: UUID, user_id: str) -> Record:
        record = await self.records.get(_record_name(upload_id))
        if record is None or record.data.get("user") != user_id:
            raise _unknown()
        return record

    async def _imported(self, upload_id: UUID, caller: Caller) -> Entry | None:
        """Return the upload's asset, None if there is none yet; a 410 Problem if it was deleted."""
        try:
            return await self.lookup.find(str(upload_id), caller, user=caller.user_id)
        except problems.Problem as problem:
            if problem.status is not HTTPStatus.NOT_FOUND:
                raise
            return None

    async def _import(self, upload_id: UUID, request: schemas.UploadRequest, *, user_id: str) -> CreationResult:
        # Where the key may not read below incoming/, the store does not tell: the importer finds out.
        if await self.incoming.exists(incoming_key(user_id, upload_id)) is False:
            raise _missing(request)
        # Of all that were begun, each may have fitted.
        (await self.quota.allowance(user_id)).take(request.size_bytes)
        return await self.imports.create(uploaded_manifest(request, upload_id, user_id=user_id))


def _upload_id(text: str) -> UUID:
    """Return the id; a 404 Problem for a text that is none."""
    try:
        return UUID(text)
    except ValueError:
        raise _unknown() from None


def _record_name(upload_id: UUID) -> str:
    return f"mediaimport-upload-{upload_id}"


def _request(record: Record) -> schemas.UploadRequest:
    return schemas.UploadRequest.model_validate(json.loads(record.data["request"]))


def _unknown() -> problems.Problem:
    detail = "There is no such upload: it was never begun, is another user's, or is older than a day. Begin another."
    return problems.Problem(HTTPStatus.NOT_FOUND, "not-found", detail)


def _missing(request: schemas.UploadRequest) -> problems.Problem:
    detail = (
        f"Nothing was uploaded yet: PUT the {request.size_bytes} bytes to the upload's url, then complete it again."
    )
    return problems.Problem(HTTPStatus.CONFLICT, "upload-missing", detail)


def _too_many() -> problems.Problem:
    detail = (
        f"{MAX_BEGUN} uploads are begun and not completed, which is the most that one user may have: complete them."
        " Those that are not completed are forgotten on the day after the next."
    )
    headers = {"Retry-After": str(_RETRY_AFTER_S)}
    return problems.Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-uploads", detail, headers=headers)
