"""Temporary credentials from STS (AssumeRole). boto3 blocks: it runs in a few threads of its own.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
"""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, SSLError
from mediaimport_api.reasons import Reason
from mediaimport_runtime.text import public

from mediaimport_operator.pods.session import Credentials
from mediaimport_operator.settings.session import MAX_SESSION_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaimport_operator.pods.session import SessionRequest
    from mediaimport_operator.settings.session import SessionSettings

_AT_ONCE = 4
"""Requests to STS at a time."""
_PAUSE_S = 10.0
"""While STS does not answer, one request in this time finds out whether it does again; the others fail at once."""
_TRANSIENT = frozenset({
    "InternalError", "InternalFailure", "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable", "SlowDown",
    "Throttling", "ThrottlingException",
})  # fmt: skip
_BAD_POLICY = frozenset({"MalformedPolicyDocument", "PackedPolicyTooLarge"})
_BAD_DURATION = frozenset({"InvalidParameterValue", "ValidationError"})
_MAX_LOGGED = 512

log = logging.getLogger(__name__)


class SessionError(Exception):
    """A Job gets no credentials. The text says why, and what to do; it contains nothing secret."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StsClient(Protocol):
    """The one request to STS, as boto3 has it."""

    def assume_role(self, **arguments: Any) -> Any:  # noqa: ANN401 - boto3's own
        """Return STS's answer; ClientError or BotoCoreError."""


class Sts:
    """Asks STS for credentials. While it is away, at most one request waits for it."""

    def __init__(self, client: StsClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sts")
        self._away: SessionError | None = None
        self._ask_again_at = 0.0

    async def credentials(self, request: SessionRequest) -> Credentials:
        """Return credentials for one attempt; SessionError."""
        if request.duration_s > MAX_SESSION_S:
            raise _too_long(
                request,
                f"STS gives none for longer than {MAX_SESSION_S} s: lower limits.deadlineSeconds in a new resource",
            )
        self._pass_or_raise()
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, self._assume_role, request)
        except (ClientError, BotoCoreError) as error:
            failure = session_error(error, request)
            self._away = failure if failure.reason is Reason.CREDENTIALS_UNAVAILABLE else None
            self._ask_again_at = self._clock() + _PAUSE_S
            raise failure from None
        self._away = None
        return _credentials(answer)

    def close(self) -> None:
        """Take no more requests; those that are on their way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _pass_or_raise(self) -> None:
        if self._away is None:
            return
        if self._clock() < self._ask_again_at:
            raise self._away
        self._ask_again_at = self._clock() + _PAUSE_S

    def _assume_role(self, request: SessionRequest) -> Any:  # noqa: ANN401 - boto3's own
        return self._client.assume_role(
            RoleArn=request.role,
            RoleSessionName=request.name,
            Policy=request.policy,
            DurationSeconds=request.duration_s,
        )


def connect(session: SessionSettings) -> Sts:
    """Return a way to STS; nothing is asked yet."""
    import boto3  # noqa: PLC0415 - an operator without sessions is spared 20 MB
    from botocore.config import Config  # noqa: PLC0415 - as above

    # At level DEBUG it writes whole answers, and this one is the credentials.
    logging.getLogger("botocore").setLevel(logging.INFO)
    return Sts(boto3.client("sts", **session.client_arguments(Config)))


def session_error(error: ClientError | BotoCoreError, request: SessionRequest) -> SessionError:
    """Return what a failed request means for the import."""
    if isinstance(error, ClientError):
        return _answered(error, request)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return SessionError(
            Reason.CREDENTIALS_REFUSED,
            "the operator has no credentials to ask STS with: set s3.accessKeyId or s3.existingSecret, or give the"
            " operator's service account an identity",
        )
    if isinstance(error, SSLError):
        return SessionError(
            Reason.CREDENTIALS_UNAVAILABLE, "the TLS certificate of STS is not trusted; set s3.caBundle to its CA"
        )
    return SessionError(
        Reason.CREDENTIALS_UNAVAILABLE,
        f"STS does not answer ({type(error).__name__}): check s3.stsEndpointUrl and the operator's NetworkPolicy",
    )


def _answered(error: ClientError, request: SessionRequest) -> SessionError:
    details: dict[str, Any] = dict(error.response.get("Error", {}))
    name, words = str(details.get("Code", "?")), str(details.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    shown = name if name.isalnum() else "?"
    # The status says no more than the code: anyone who may read the import reads it.
    log.warning("sts refused", extra={"code": shown, "status": status, "error": public(words, _MAX_LOGGED)})
    if name in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return SessionError(Reason.CREDENTIALS_UNAVAILABLE, f"STS answered HTTP {status} ({shown}); it is asked again")
    if name in _BAD_DURATION and "DurationSeconds" in words:
        return _too_long(
            request,
            f"STS refuses that ({shown}): raise the role's longest session (at most an hour if the operator's keys are"
            " a role's own), or lower limits.deadlineSeconds in a new resource",
        )
    if name in _BAD_POLICY:
        return SessionError(
            Reason.CREDENTIALS_REFUSED,
            f"STS does not take the session policy ({shown}): use a store whose AssumeRole takes one, or unset"
            " s3.sessionRole",
        )
    return SessionError(
        Reason.CREDENTIALS_REFUSED,
        f"STS refused a session of the role ({shown}): check s3.sessionRole and its trust policy, and that the"
        " operator's own keys are valid and may call sts:AssumeRole",
    )


def _too_long(request: SessionRequest, why: str) -> SessionError:
    return SessionError(
        Reason.CREDENTIALS_REFUSED,
        f"a deadline of {request.deadline_s} s needs credentials for {request.duration_s} s, and {why}",
    )


def _credentials(answer: Any) -> Credentials:  # noqa: ANN401 - boto3's own
    given = answer["Credentials"]
    return Credentials(
        access_key_id=given["AccessKeyId"],
        secret_access_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )
