"""What a store's refusal means for the import."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, SSLError
from mediaimport_api.reasons import Reason

from mediaimport_importer.errors import AttemptError, RefusedError, UnavailableError

_BAD_KEY = frozenset({
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthorizationHeaderMalformed", "InvalidSecurity",
})  # fmt: skip
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_DENIED = frozenset(
    {"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden", "KMS.DisabledException"}
)
_NO_BUCKET = frozenset({"NoSuchBucket", "PermanentRedirect", "301"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound", "403", "AccessDenied", "Forbidden"})
_EXISTS = frozenset({"PreconditionFailed", "412"})


def code(error: ClientError) -> str:
    """Return the store's own code for what went wrong."""
    details: dict[str, Any] = dict(error.response.get("Error", {}))
    return str(details.get("Code", "?"))


def status(error: ClientError) -> int:
    """Return the HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def exists(error: Exception) -> bool:
    """Tell whether a conditional write was refused because there is an object."""
    return isinstance(error, ClientError) and (
        code(error) in _EXISTS or status(error) == HTTPStatus.PRECONDITION_FAILED
    )


def absent(error: Exception) -> bool:
    """Tell whether a read found nothing: a policy without ListBucket says 403 for that too."""
    return isinstance(error, ClientError) and code(error) in _ABSENT


STORE_ERRORS = (ClientError, BotoCoreError, OSError)
"""What a request to the store can raise, apart from bugs."""


def translate(error: Exception, *, bucket: str) -> AttemptError:
    """Return the failure that one of STORE_ERRORS is, in words that never repeat what the store said."""
    if isinstance(error, ClientError):
        return _client_error(error, bucket)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return RefusedError(
            Reason.STORE_DENIED,
            "there are no S3 credentials: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, or give the importer's"
            " service account a role",
        )
    if isinstance(error, SSLError):
        return UnavailableError(
            Reason.STORE_UNAVAILABLE, "the store's TLS certificate is not trusted; set S3_CA_BUNDLE to its CA"
        )
    return UnavailableError(
        Reason.STORE_UNAVAILABLE, f"the store does not answer ({type(error).__name__}); check S3_ENDPOINT_URL"
    )


def _client_error(error: ClientError, bucket: str) -> AttemptError:
    name = code(error)
    shown = name if name.replace(".", "").isalnum() else "?"
    if name in _EXPIRED:
        return UnavailableError(
            Reason.STORE_UNAVAILABLE,
            f"the temporary credentials have expired ({shown}); the next attempt gets new ones",
            http_status=status(error),
        )
    if name in _BAD_KEY:
        return RefusedError(
            Reason.STORE_DENIED,
            f"the store does not accept the credentials ({shown}): check S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY"
            " and S3_REGION",
            http_status=status(error),
        )
    if name in _NO_BUCKET:
        return RefusedError(
            Reason.STORE_MISSING,
            f"the bucket {bucket} does not exist there ({shown}): create it, or correct S3_BUCKET_NAME, S3_REGION or"
            " S3_ENDPOINT_URL",
            http_status=status(error),
        )
    if name in _DENIED or status(error) == HTTPStatus.FORBIDDEN:
        return RefusedError(
            Reason.STORE_DENIED,
            f"the store refused to write to the bucket {bucket} ({shown}): check the access key's policy, it needs"
            " s3:PutObject and s3:AbortMultipartUpload",
            http_status=status(error),
        )
    return UnavailableError(
        Reason.STORE_UNAVAILABLE,
        f"the store answered HTTP {status(error)} ({shown})",
        http_status=status(error) or None,
    )
