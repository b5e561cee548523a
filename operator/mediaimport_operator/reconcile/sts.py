"""Temporary credentials from STS (AssumeRole). boto3 blocks: each request has a thread of its own, and a deadline.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError, SSLError
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
DEADLINE_S = 20.0
"""The most that an import waits for STS. boto3's own timeouts count from each byte: an answer may drip for ever."""
_MAX_STALLED = 16
"""Threads whose request has outlived its deadline. With more, no request is made until one of them ends."""
_PAUSE_S = 10.0
"""While STS does not answer, one request in this time finds out whether it does again; the others fail at once."""
_TRANSIENT = frozenset({
    "InternalError", "InternalFailure", "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable", "SlowDown",
    "Throttling", "ThrottlingException",
})  # fmt: skip
_BAD_POLICY = frozenset({"MalformedPolicyDocument", "PackedPolicyTooLarge"})
_BAD_DURATION = frozenset({"InvalidParameterValue", "ValidationError"})
_PARTS = ("AccessKeyId", "SecretAccessKey", "SessionToken")
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
        """Return STS's answer; mostly ClientError or BotoCoreError."""


class Sts:
    """Asks STS for credentials. While it is away, at most one request waits for it."""

    def __init__(
        self, client: StsClient, *, clock: Callable[[], float] = time.monotonic, deadline_s: float = DEADLINE_S
    ) -> None:
        self._client = client
        self._clock = clock
        self._deadline_s = deadline_s
        self._requests = asyncio.Semaphore(_AT_ONCE)
        self._stalled: set[asyncio.Future[Any]] = set()
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
            async with asyncio.timeout(self._deadline_s):
                given = _credentials(await self._answer(request))
        except Exception as error:  # noqa: BLE001 - boto3 lets a parser's errors through, for example of a proxy's page
            failure = session_error(error, request)
            self._away = failure if failure.reason is Reason.CREDENTIALS_UNAVAILABLE else None
            self._ask_again_at = self._clock() + _PAUSE_S
            raise failure from None
        self._away = None
        return given

    def _pass_or_raise(self) -> None:
        if self._away is None:
            return
        if self._clock() < self._ask_again_at:
            raise self._away
        self._ask_again_at = self._clock() + _PAUSE_S

    async def _answer(self, request: SessionRequest) -> Any:  # noqa: ANN401 - boto3's own
        away = self._away
        async with self._requests:
            if self._away is not None and self._away is not away:
                # Those before it have found out, while this one waited for its turn.
                raise self._away
            if len(self._stalled) >= _MAX_STALLED:
                raise TimeoutError
            answer = _in_thread(lambda: self._assume_role(request))
            try:
                # The thread goes on when its import no longer waits.
                return await asyncio.shield(answer)
            finally:
                if not answer.done():
                    self._stalled.add(answer)
                    answer.add_done_callback(self._stalled.discard)

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


def _in_thread(call: Callable[[], Any]) -> asyncio.Future[Any]:
    """Call in a thread that the end of the process does not wait for, as it does for those of an executor."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(answer: Any, error: Exception | None) -> None:  # noqa: ANN401 - any
        if future.done():
            return
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)
            # Nobody waits for it any more if it has stalled.
            future.exception()

    def run() -> None:
        answer, failure = None, None
        try:
            answer = call()
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            failure = error
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, answer, failure)

    threading.Thread(target=run, name="sts", daemon=True).start()
    return future


def session_error(error: Exception, request: SessionRequest) -> SessionError:
    """Return what a failed request means for the import."""
    if isinstance(error, SessionError):
        return error
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
    """Return the credentials in STS's answer; SessionError if they are not whole."""
    given = answer.get("Credentials") if isinstance(answer, dict) else None
    parts = [given.get(each) if isinstance(given, dict) else None for each in _PARTS]
    if not all(isinstance(each, str) and each for each in parts):
        raise SessionError(
            Reason.CREDENTIALS_UNAVAILABLE,
            "STS answered without credentials; it is asked again: check that s3.stsEndpointUrl is the URL of an STS",
        )
    return Credentials(*map(str, parts))
