"""Failures of the store: the SDK's errors, translated into failures of the attempt, each with a sentence of its own."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from mediaimport_api.reasons import Reason
from mediaimport_runtime import s3_errors

from mediaimport_importer.errors import AttemptError, CredentialsExpiredError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_runtime.store_settings import StoreSettings

STORE_ERRORS = (ClientError, BotoCoreError, OSError)
"""The exceptions of a request to the store, apart from bugs."""
_ACTIONS = {"DeleteObject": "s3:DeleteObject", "ListMultipartUploads": "s3:ListBucketMultipartUploads"}
"""Permissions of the operations that not every policy allows."""
_STS = frozenset({"AssumeRole", "AssumeRoleWithWebIdentity"})
"""The operations with which the SDK gets credentials for a role."""
_STS_UNAVAILABLE = frozenset({"IDPCommunicationError", "Throttling", "ThrottlingException"})
_CHECKED_WRITES = frozenset({"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"})
_CONDITIONAL_WRITES = frozenset({"PutObject", "CompleteMultipartUpload"})


def code(error: ClientError) -> str:
    """Return the store's error code."""
    return str(_details(error).get("Code", "?"))


def status(error: ClientError) -> int:
    """Return the response's HTTP status, 0 without one."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def precondition_failed(error: Exception) -> bool:
    """Tell whether a conditional write was refused because an object exists."""
    return isinstance(error, ClientError) and (
        code(error) in s3_errors.PRECONDITION_FAILED or status(error) == HTTPStatus.PRECONDITION_FAILED
    )


def is_absent(error: Exception) -> bool:
    """Tell whether a read found no object: without s3:ListBucket a store answers 403 for that too."""
    return isinstance(error, ClientError) and code(error) in s3_errors.OBJECT_ABSENT


def translate(error: Exception, settings: StoreSettings) -> AttemptError:
    """Return the failure for one of STORE_ERRORS. Its message never repeats the store's text."""
    if isinstance(error, ClientError):
        return _client_error(error, settings)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return RefusedError(
            Reason.STORE_DENIED,
            "there are no S3 credentials: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or give the importer's"
            " service account a role",
        )
    if isinstance(error, CredentialRetrievalError):
        return UnavailableError(
            Reason.STORE_UNAVAILABLE,
            "the credentials of the importer's role cannot be renewed: check that STS, or the provider of the"
            " credentials, answers",
        )
    if isinstance(error, SSLError):
        return UnavailableError(
            Reason.STORE_UNAVAILABLE, "the store's TLS certificate is not trusted; set S3_CA_BUNDLE to its CA"
        )
    return UnavailableError(
        Reason.STORE_UNAVAILABLE, f"the store does not answer ({type(error).__name__}); check S3_ENDPOINT_URL"
    )


@dataclass(frozen=True)
class _Answer:
    """An error that the store answered."""

    code: str
    status: int
    operation: str
    region: str | None
    """The bucket's region, if the answer names another than the configured one."""
    header: str
    """The request's header that the store does not know, if the answer names it."""
    settings: StoreSettings

    @classmethod
    def of(cls, error: ClientError, settings: StoreSettings) -> _Answer:
        """Return the answer in an error."""
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        details = _details(error)
        return cls(
            code(error),
            status(error),
            error.operation_name,
            s3_errors.right_region(headers, details, configured=settings.region),
            str(details.get("Header", "")).lower(),
            settings,
        )

    @property
    def shown(self) -> str:
        """Return the code as messages show it."""
        return self.code if self.code.replace(".", "").isalnum() else "?"

    def refused(self, reason: Reason, message: str) -> RefusedError:
        """Return a failure that somebody has to mend: the operator tries again until the source expires."""
        return RefusedError(reason, message, http_status=self.status or None)

    def unavailable(self, message: str) -> UnavailableError:
        """Return a failure that may pass while this attempt keeps the media."""
        return UnavailableError(Reason.STORE_UNAVAILABLE, message, http_status=self.status or None)


def _client_error(error: ClientError, settings: StoreSettings) -> AttemptError:
    """Return what the first that knows the answer makes of it."""
    answer = _Answer.of(error, settings)
    for each in _KNOWN:
        failure = each(answer)
        if failure is not None:
            return failure
    return answer.unavailable(f"the store answered HTTP {answer.status} ({answer.shown})")


def _role(answer: _Answer) -> AttemptError | None:
    if answer.operation not in _STS or answer.code in s3_errors.EXPIRED_CREDENTIALS:
        return None
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.code in _STS_UNAVAILABLE:
        return answer.unavailable(f"STS does not renew the credentials of the importer's role now ({answer.shown})")
    return answer.refused(
        Reason.STORE_DENIED,
        f"STS refuses the role of the importer's service account ({answer.shown}): check the role's name and its trust"
        " policy",
    )


def _clock(answer: _Answer) -> AttemptError | None:
    if answer.code not in s3_errors.CLOCK_SKEW:
        return None
    return answer.unavailable(
        f"the clock of the importer's node and that of the store differ too much ({answer.shown}): correct the time"
        " on the wrong one (NTP)"
    )


def _quota(answer: _Answer) -> AttemptError | None:
    if answer.code not in s3_errors.QUOTA:
        return None
    return answer.unavailable(
        f"the quota of the bucket {answer.settings.bucket} or of its owner is used up ({answer.shown}): raise it, or"
        " delete objects"
    )


def _full(answer: _Answer) -> AttemptError | None:
    if answer.code not in s3_errors.STORE_FULL and answer.status != HTTPStatus.INSUFFICIENT_STORAGE:
        return None
    return answer.unavailable(
        f"the store's disk is full ({answer.shown}): add space to the store, or delete objects from it"
    )


def _expired(answer: _Answer) -> AttemptError | None:
    if answer.code not in s3_errors.EXPIRED_CREDENTIALS:
        return None
    return CredentialsExpiredError(
        Reason.STORE_UNAVAILABLE,
        f"the temporary credentials have expired ({answer.shown}); the next attempt gets new ones",
        http_status=answer.status,
    )


def _region(answer: _Answer) -> AttemptError | None:
    if answer.region is None or answer.code not in s3_errors.WRONG_REGION:
        return None
    return answer.refused(
        Reason.STORE_MISSING,
        f"the bucket {answer.settings.bucket} is in the region {answer.region}, not in {answer.settings.region}"
        f" ({answer.shown}): set S3_REGION to {answer.region}, and S3_ENDPOINT_URL, if it is set, to that region's",
    )


def _credentials(answer: _Answer) -> AttemptError | None:
    if answer.code not in s3_errors.BAD_CREDENTIALS:
        return None
    if answer.code in s3_errors.BAD_KEY_ID:
        why = ", whose access key it does not know: check S3_ACCESS_KEY_ID and that it is a key of this store"
    elif answer.code in s3_errors.BAD_SECRET:
        why = ", whose signature is wrong: check S3_SECRET_ACCESS_KEY, and that no proxy changes requests"
    elif answer.code in s3_errors.BAD_TOKEN:
        why = ", whose session token is invalid: check S3_SESSION_TOKEN, or leave it out with a key that lasts"
    else:
        why = ": check S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and S3_REGION"
    return answer.refused(Reason.STORE_DENIED, f"the store does not accept the credentials ({answer.shown}){why}")


def _bucket(answer: _Answer) -> AttemptError | None:
    if answer.code not in s3_errors.BUCKET_MISSING:
        return None
    return answer.refused(
        Reason.STORE_MISSING,
        f"the bucket {answer.settings.bucket} does not exist ({answer.shown}): create it, or correct S3_BUCKET_NAME,"
        " S3_REGION or S3_ENDPOINT_URL",
    )


def _denied(answer: _Answer) -> AttemptError | None:
    if answer.code not in s3_errors.DENIED and answer.status != HTTPStatus.FORBIDDEN:
        return None
    return answer.refused(
        Reason.STORE_DENIED,
        f"the store refused to write to the bucket {answer.settings.bucket} ({answer.shown}): check the access key's"
        f" policy, it needs {_ACTIONS.get(answer.operation, 's3:PutObject and s3:AbortMultipartUpload')}",
    )


def _unknown_header(answer: _Answer) -> AttemptError | None:
    switches = _switches(answer)
    if answer.code not in s3_errors.UNKNOWN_HEADER | s3_errors.BROKEN_CHECKSUM or not switches:
        return None
    message = (
        f"the store refused an upload as many do that do not know {' or '.join(switches.values())} ({answer.shown}):"
        f" if it happens to every upload, set {' or '.join(switches)} to false"
    )
    broken = answer.code in s3_errors.BROKEN_CHECKSUM
    return answer.unavailable(message) if broken else answer.refused(Reason.STORE_DENIED, message)


def _switches(answer: _Answer) -> dict[str, str]:
    """Return the settings, with what they switch, without which the store might have accepted the request."""
    checksums = answer.settings.checksums and answer.operation in _CHECKED_WRITES
    conditions = answer.settings.conditional_writes and answer.operation in _CONDITIONAL_WRITES
    if answer.header:
        conditions = conditions and answer.header in {"if-none-match", "if-match"}
        checksums = checksums and not conditions
    elif answer.code in s3_errors.BROKEN_CHECKSUM:
        conditions = False
    switches = {"S3_CHECKSUMS": "checksums"} if checksums else {}
    return switches | ({"S3_CONDITIONAL_WRITES": "conditional writes"} if conditions else {})


_KNOWN: tuple[Callable[[_Answer], AttemptError | None], ...] = (
    _role,
    _clock,
    _quota,
    _full,
    _expired,
    _region,
    _credentials,
    _bucket,
    _denied,
    _unknown_header,
)
"""In order: a code of its own goes before a status that it shares with others."""


def _details(error: ClientError) -> dict[str, Any]:
    return dict(error.response.get("Error", {}))
