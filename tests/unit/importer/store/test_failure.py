"""Refusals of a store: each has a sentence of its own and the retry that its cause needs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError
from mediaimport_api.reasons import Reason
from mediaimport_importer.errors import AttemptError, CredentialsExpiredError, RefusedError, UnavailableError
from mediaimport_importer.store.bucket import Bucket, connect
from mediaimport_importer.store.failure import translate
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from tests.support.loopback.store import ACCESS, SECRET
from tests.support.loopback.store_proxy import Request, StoreProxy, proxied, xml_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.import_runner import Imports
    from tests.support.loopback.store import Store
    from tests.support.media_studio import Studio

STORED = b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
NAMES = {"S3_BUCKET_NAME": "media", "S3_REGION": "us-east-1"}


def failure(
    code: str,
    status: int = 400,
    *,
    operation: str = "PutObject",
    details: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    **variables: str,
) -> AttemptError:
    response: Any = {
        "Error": {"Code": code} | (details or {}),
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    settings = StoreSettings.read(Environment(NAMES | variables))
    return translate(ClientError(response, operation), settings)


@pytest.mark.parametrize(
    ("code", "status", "words", "kind"),
    [
        ("RequestTimeTooSkewed", 403, "clock", UnavailableError),
        ("QuotaExceeded", 403, "quota", UnavailableError),
        ("XMinioAdminBucketQuotaExceeded", 400, "quota", UnavailableError),
        ("XMinioStorageFull", 507, "disk is full", UnavailableError),
        ("Whatever", 507, "disk is full", UnavailableError),
        ("ExpiredToken", 400, "have expired", CredentialsExpiredError),
        ("ExpiredToken", 403, "have expired", CredentialsExpiredError),
        ("InvalidAccessKeyId", 403, "S3_ACCESS_KEY_ID", RefusedError),
        ("SignatureDoesNotMatch", 403, "S3_SECRET_ACCESS_KEY", RefusedError),
        ("InvalidToken", 400, "S3_SESSION_TOKEN", RefusedError),
        ("NoSuchBucket", 404, "S3_BUCKET_NAME", RefusedError),
        ("AccessDenied", 403, "policy", RefusedError),
        ("InternalError", 500, "HTTP 500", UnavailableError),
    ],
)
def test_each_refusal_has_its_sentence_and_its_retry(
    code: str, status: int, words: str, kind: type[AttemptError]
) -> None:
    error = failure(code, status)

    assert words in error.public_message
    assert type(error) is kind
    assert error.retryable
    assert ("policy" in error.public_message) is (code == "AccessDenied")


@pytest.mark.parametrize(
    ("code", "status", "named"),
    [
        ("AuthorizationHeaderMalformed", 400, {"details": {"Region": "eu-central-1"}}),
        ("PermanentRedirect", 301, {"headers": {"x-amz-bucket-region": "eu-central-1"}}),
        ("301", 301, {"headers": {"x-amz-bucket-region": "eu-central-1"}}),
        ("400", 400, {"headers": {"x-amz-bucket-region": "eu-central-1"}}),
    ],
)
def test_wrong_region_names_the_right_one(code: str, status: int, named: dict[str, Any]) -> None:
    error = failure(code, status, **named)

    assert error.reason is Reason.STORE_MISSING
    assert "set S3_REGION to eu-central-1" in error.public_message


@pytest.mark.parametrize("region", ["us-east-1", "", "eu central\r\nX: y", "x" * 100])
def test_region_that_is_configured_or_no_region_is_not_advised(region: str) -> None:
    error = failure("PermanentRedirect", 301, headers={"x-amz-bucket-region": region})

    assert "set S3_REGION to" not in error.public_message


@pytest.mark.parametrize(
    ("code", "status", "operation", "header", "switches"),
    [
        ("NotImplemented", 501, "PutObject", None, {"S3_CHECKSUMS", "S3_CONDITIONAL_WRITES"}),
        ("NotImplemented", 501, "PutObject", "If-None-Match", {"S3_CONDITIONAL_WRITES"}),
        ("NotImplemented", 501, "PutObject", "x-amz-checksum-sha256", {"S3_CHECKSUMS"}),
        ("NotImplemented", 501, "UploadPart", None, {"S3_CHECKSUMS"}),
        ("NotImplemented", 501, "ListMultipartUploads", None, set()),
        ("MissingContentLength", 411, "PutObject", None, {"S3_CHECKSUMS", "S3_CONDITIONAL_WRITES"}),
        ("IncompleteBody", 400, "PutObject", None, {"S3_CHECKSUMS"}),
        ("XAmzContentSHA256Mismatch", 400, "PutObject", None, {"S3_CHECKSUMS"}),
    ],
)
def test_unknown_header_names_the_switches_that_help(
    code: str, status: int, operation: str, header: str | None, switches: set[str]
) -> None:
    error = failure(code, status, operation=operation, details={"Header": header} if header else {})

    assert {each for each in ("S3_CHECKSUMS", "S3_CONDITIONAL_WRITES") if each in error.public_message} == switches


def test_switch_that_is_off_is_not_advised() -> None:
    error = failure("NotImplemented", 501, S3_CHECKSUMS="false", S3_CONDITIONAL_WRITES="false")

    assert "set S3" not in error.public_message


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [("AccessDenied", 403, RefusedError), ("IDPCommunicationError", 400, UnavailableError),
     ("ExpiredTokenException", 400, CredentialsExpiredError), ("InternalFailure", 500, UnavailableError)],
)  # fmt: skip
def test_refusal_of_the_role_is_not_one_of_the_bucket(code: str, status: int, kind: type[AttemptError]) -> None:
    error = failure(code, status, operation="AssumeRoleWithWebIdentity")

    assert type(error) is kind
    assert "bucket" not in error.public_message


def test_provider_of_credentials_that_does_not_answer_is_waited_for() -> None:
    settings = StoreSettings.read(Environment(NAMES))

    assert isinstance(translate(CredentialRetrievalError(provider="x", error_msg="y"), settings), UnavailableError)


# --- whole imports before a store that refuses -----------------------------------------


def refusing(status: str, code: str, *, when: Callable[[Request], bool]) -> Callable[[Request], bytes | None]:
    return lambda request: xml_error(request, status, code) if when(request) else None


@pytest.fixture
def proxy(imports: Imports) -> Iterator[StoreProxy]:
    with proxied(imports.store) as running:
        yield running


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        ("403 Forbidden", "RequestTimeTooSkewed", "clock"),
        ("403 Forbidden", "QuotaExceeded", "quota"),
        ("507 Insufficient Storage", "XMinioStorageFull", "full"),
    ],
)
def test_import_that_a_store_refuses_for_a_while_ends_well(  # noqa: PLR0913, PLR0917 - two fixtures, a table of three
    imports: Imports, proxy: StoreProxy, studio: Studio, status: str, code: str, word: str
) -> None:
    """The administrator mends the store while the attempt keeps the media."""
    refusals: list[Request] = []

    def refuse(request: Request) -> bool:
        if request.method == "PUT" and len(refusals) < 5:
            refusals.append(request)
            return True
        return False

    proxy.refuses = refusing(status, code, when=refuse)
    result = imports.run(imports.task(imports.sources.file(studio.video())), **proxy.variables)

    assert result.reason is Reason.IMPORTED, result
    assert word in imports.log.getvalue()


@pytest.mark.parametrize("header", ["if-none-match", "x-amz-checksum-sha256"])
def test_store_without_a_header_is_named_with_its_switch(
    imports: Imports, proxy: StoreProxy, studio: Studio, header: str
) -> None:
    """The trailing checksum's header is named by x-amz-trailer."""
    switch = "S3_CONDITIONAL_WRITES" if header == "if-none-match" else "S3_CHECKSUMS"
    proxy.refuses = refusing(
        "501 Not Implemented", "NotImplemented", when=lambda each: each.method == "PUT" and header in each.head.lower()
    )
    url = imports.sources.file(studio.video())
    refused = imports.run(imports.task(url), **proxy.variables)
    accepted = imports.run(imports.task(url), **proxy.variables, **{switch: "false"})

    assert refused.reason is Reason.STORE_DENIED
    assert switch in refused.message
    assert accepted.reason is Reason.IMPORTED, accepted


def test_endpoint_with_a_path_keeps_it(imports: Imports, proxy: StoreProxy, studio: Studio) -> None:
    proxy.refuses = lambda request: xml_error(request, "404 Not Found", "NoSuchBucket")
    endpoint = proxy.variables["S3_ENDPOINT_URL"] + "/storage/v1/s3"
    result = imports.run(imports.task(imports.sources.file(studio.video())), S3_ENDPOINT_URL=endpoint)

    assert result.reason is Reason.STORE_MISSING
    assert proxy.requests
    assert all(each.target.startswith("/storage/v1/s3/media/") for each in proxy.requests)


# --- a role's credentials that end ---------------------------------------------------


class Sts(ThreadingHTTPServer):
    """An STS whose credentials last for seconds; it keeps the web identity tokens that it was shown."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _StsRequest)
        self.tokens: list[str] = []
        self.lifetime = timedelta(hours=1)
        self.on_request: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _StsRequest(BaseHTTPRequestHandler):
    server: Sts

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.server.tokens += form["WebIdentityToken"]
        self.server.on_request()
        expiration = (datetime.now(UTC) + self.server.lifetime).isoformat()
        body = (
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{ACCESS}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>"
            f"<SessionToken>session-{len(self.server.tokens)}</SessionToken><Expiration>{expiration}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def sts() -> Iterator[Sts]:
    with Sts() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def role_bucket(
    stores: Callable[[str], Store], sts: Sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Bucket, StoreProxy]]:
    """A bucket reached with the credentials of a role, and the store's end of it."""
    token = tmp_path / "token"
    token.write_text("token-0")
    sts.on_request = lambda: token.write_text(f"token-{len(sts.tokens)}")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/importer")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    store = stores("versitygw (plain)")
    keyless = {name: value for name, value in store.variables().items() if "KEY" not in name}
    with proxied(store) as proxy:
        proxy.refuses = lambda _: STORED
        yield connect(StoreSettings.read(Environment(keyless | proxy.variables))), proxy


def put(bucket: Bucket, times: int) -> None:
    for number in range(times):
        bucket.put(f"renewed/{number}", b"x", content_type="text/plain", exclusive=False)


def sessions(proxy: StoreProxy) -> list[str | None]:
    return [each.header("x-amz-security-token") for each in proxy.requests]


def test_role_credentials_that_end_are_renewed_with_the_token_of_that_moment(
    role_bucket: tuple[Bucket, StoreProxy], sts: Sts
) -> None:
    bucket, proxy = role_bucket
    sts.lifetime = timedelta(seconds=1)
    put(bucket, 3)

    assert sts.tokens == [f"token-{number}" for number in range(len(sts.tokens))]
    assert len(set(sessions(proxy))) == 3


def test_role_credentials_that_last_are_kept(role_bucket: tuple[Bucket, StoreProxy], sts: Sts) -> None:
    bucket, proxy = role_bucket
    put(bucket, 3)

    assert sts.tokens == ["token-0"]
    assert sessions(proxy) == ["session-1"] * 3


def test_role_credentials_that_the_store_calls_expired_are_renewed_at_once(
    role_bucket: tuple[Bucket, StoreProxy], sts: Sts
) -> None:
    bucket, proxy = role_bucket
    proxy.refuses = lambda request: (
        xml_error(request, "400 Bad Request", "ExpiredToken") if "session-1" in request.head else STORED
    )
    put(bucket, 2)

    assert sts.tokens == ["token-0", "token-1"]
    assert sessions(proxy) == ["session-1", "session-2", "session-2"]
