"""S3's error codes, by what they mean for the caller.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. boto3 gives the HTTP status as code where
the answer has no body (HEAD).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD_CREDENTIALS = frozenset({
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthorizationHeaderMalformed", "InvalidSecurity",
    "InvalidClientTokenId", "UnrecognizedClientException", "XMinioInvalidAccessKey",
})  # fmt: skip
"""The store does not accept the key, or what it signed."""
BAD_KEY_ID = frozenset({
    "InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "XMinioInvalidAccessKey",
})  # fmt: skip
BAD_SECRET = frozenset({"SignatureDoesNotMatch"})
BAD_TOKEN = frozenset({"InvalidToken"})
EXPIRED_CREDENTIALS = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
"""The session token of temporary credentials has expired: new ones may work."""
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden", "KMS.DisabledException"})
"""The key is known, and its policy is against the request."""
BUCKET_MISSING = frozenset({"NoSuchBucket", "PermanentRedirect", "301"})
OBJECT_ABSENT = frozenset({"NoSuchKey", "404", "NotFound", "403", "AccessDenied", "Forbidden"})
"""No object under that key: without s3:ListBucket S3 answers 403 for a key that is not there."""
PRECONDITION_FAILED = frozenset({"PreconditionFailed", "412"})
"""A conditional write found an object."""
CLOCK_SKEW = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture", "RequestNotYetValid", "RequestExpired"})
"""The clocks of client and store differ by more than the store allows, 15 minutes on S3."""
QUOTA = frozenset({
    "QuotaExceeded", "BucketQuotaExceeded", "UserQuotaExceeded", "XMinioAdminBucketQuotaExceeded",
    "StorageQuotaExceeded", "AccountStorageLimitExceeded", "StorageLimitExceeded", "StorageCapExceeded",
    "TransactionCapExceeded",
})  # fmt: skip
"""A limit that an administrator has set: Ceph, MinIO, Backblaze and others name it so."""
STORE_FULL = frozenset({"XMinioStorageFull", "InsufficientStorage", "StorageFull", "NoSpaceLeft", "DiskFull", "507"})
"""The store's disks are full; with HTTP status 507 whatever the code."""
WRONG_REGION = frozenset({
    "AuthorizationHeaderMalformed", "PermanentRedirect", "301", "TemporaryRedirect", "307",
    "IllegalLocationConstraintException", "400",
})  # fmt: skip
"""The bucket may be in another region, if the answer names it."""
UNKNOWN_HEADER = frozenset({
    "NotImplemented", "501", "InvalidArgument", "InvalidRequest", "MissingContentLength", "411", "UnsupportedHeader",
})  # fmt: skip
"""Codes of stores that do not know a header of a write: of a checksum, of a trailer, of a condition."""
BROKEN_CHECKSUM = frozenset({"XAmzContentSHA256Mismatch", "IncompleteBody", "InvalidDigest", "MalformedTrailerError"})
"""Codes of stores that do not know trailing checksums, and of others when bytes were lost on the way."""
REGION_HEADER = "x-amz-bucket-region"

_REGION = re.compile(r"[a-z0-9][-a-z0-9]{0,62}")

_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")


def code_in_body(body: bytes) -> str:
    """Return the code in an error document, empty if there is none."""
    match = _CODE.search(body)
    return match[1].decode() if match else ""


def right_region(headers: Mapping[str, str], details: Mapping[str, object], *, configured: str) -> str | None:
    """Return the region of the bucket that an error names and that is not the configured one."""
    region = str(headers.get(REGION_HEADER) or details.get("Region") or "")
    return region if _REGION.fullmatch(region) and region != configured else None
