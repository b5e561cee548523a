"""S3's error codes, by what they mean for the caller.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. boto3 gives the HTTP status as code where
the answer has no body (HEAD).
"""

from __future__ import annotations

import re

BAD_CREDENTIALS = frozenset({
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthorizationHeaderMalformed", "InvalidSecurity",
})  # fmt: skip
"""The store does not accept the key, or what it signed."""
EXPIRED_CREDENTIALS = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
"""The session token of temporary credentials has expired: new ones may work."""
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden", "KMS.DisabledException"})
"""The key is known, and its policy is against the request."""
BUCKET_MISSING = frozenset({"NoSuchBucket", "PermanentRedirect", "301"})
OBJECT_ABSENT = frozenset({"NoSuchKey", "404", "NotFound", "403", "AccessDenied", "Forbidden"})
"""No object under that key: without s3:ListBucket S3 answers 403 for a key that is not there."""
PRECONDITION_FAILED = frozenset({"PreconditionFailed", "412"})
"""A conditional write found an object."""

_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")


def code_in_body(body: bytes) -> str:
    """Return the code in an error document, empty if there is none."""
    match = _CODE.search(body)
    return match[1].decode() if match else ""
