"""Asking STS for credentials, of a client that is told what to answer."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, NoCredentialsError, SSLError
from botocore.parsers import ResponseParserError
from mediaimport_api.reasons import Reason
from mediaimport_operator.pods.session import SessionRequest
from mediaimport_operator.reconcile.sts import SessionError, Sts

pytestmark = pytest.mark.anyio

GIVEN = {"AccessKeyId": "ASIA1", "SecretAccessKey": "s3cr3t", "SessionToken": "t0k3n"}
AWAY = ConnectTimeoutError(endpoint_url="https://sts.example")


def request(deadline_s: int = 1800) -> SessionRequest:
    return SessionRequest(role="arn:aws:iam::1:role/importer", name="film-1", policy="{}", deadline_s=deadline_s)


def answered(code: str, message: str = "no", status: int = 403) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "AssumeRole")


@dataclass
class Client:
    """Gives credentials, or raises what it is told to."""

    failure: ClientError | BotoCoreError | None = None
    asked: list[dict[str, object]] = field(default_factory=list)

    def assume_role(self, **arguments: object) -> dict[str, Any]:
        self.asked.append(arguments)
        if self.failure is not None:
            raise self.failure
        return {"Credentials": GIVEN}


@dataclass
class World:
    """An Sts with a clock that a test moves."""

    client: Client = field(default_factory=Client)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.sts = Sts(self.client, clock=lambda: self.now_s)

    async def failure(self, deadline_s: int = 1800) -> SessionError:
        with pytest.raises(SessionError) as raised:
            await self.sts.credentials(request(deadline_s))
        return raised.value


@pytest.fixture
async def world() -> World:
    return World()


async def test_role_policy_and_duration_reach_sts(world: World) -> None:
    given = await world.sts.credentials(request())
    assert (given.access_key_id, given.secret_access_key, given.session_token) == ("ASIA1", "s3cr3t", "t0k3n")
    assert world.client.asked == [
        {
            "RoleArn": "arn:aws:iam::1:role/importer",
            "RoleSessionName": "film-1",
            "Policy": "{}",
            "DurationSeconds": 2100,
        }
    ]


@pytest.mark.parametrize(
    ("error", "reason", "says"),
    [
        (answered("AccessDenied"), Reason.CREDENTIALS_REFUSED, "check s3.sessionRole and its trust policy"),
        (answered("InvalidClientTokenId"), Reason.CREDENTIALS_REFUSED, "the operator's own keys are valid"),
        (answered("MalformedPolicyDocument", status=400), Reason.CREDENTIALS_REFUSED, "unset s3.sessionRole"),
        (NoCredentialsError(), Reason.CREDENTIALS_REFUSED, "give the operator's service account an identity"),
        (answered("Throttling", status=400), Reason.CREDENTIALS_UNAVAILABLE, "it is asked again"),
        (answered("whatever it is", status=503), Reason.CREDENTIALS_UNAVAILABLE, "HTTP 503 (?)"),
        (AWAY, Reason.CREDENTIALS_UNAVAILABLE, "check s3.stsEndpointUrl"),
        (
            SSLError(endpoint_url="https://sts.example", error=OSError("bad")),
            Reason.CREDENTIALS_UNAVAILABLE,
            "set s3.caBundle",
        ),
    ],
)
async def test_failure_says_what_to_do(
    world: World, error: ClientError | BotoCoreError, reason: Reason, says: str
) -> None:
    world.client.failure = error
    failure = await world.failure()
    assert failure.reason is reason
    assert says in str(failure)


async def test_session_beyond_the_roles_longest_says_what_to_do(world: World) -> None:
    world.client.failure = answered(
        "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.", 400
    )
    failure = await world.failure(7200)
    assert failure.reason is Reason.CREDENTIALS_REFUSED
    assert "a deadline of 7200 s needs credentials for 7500 s" in str(failure)
    assert "raise the role's longest session" in str(failure)


async def test_session_beyond_any_roles_longest_is_not_asked_for(world: World) -> None:
    failure = await world.failure(43_000)
    assert failure.reason is Reason.CREDENTIALS_REFUSED
    assert "STS gives none for longer than 43200 s: lower limits.deadlineSeconds" in str(failure)
    assert world.client.asked == []


async def test_what_sts_says_is_in_the_log_and_not_in_the_message(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.client.failure = answered("AccessDenied", "User: arn:aws:sts::42:someone is not authorized")
    with caplog.at_level(logging.WARNING):
        failure = await world.failure()
    assert "42" not in str(failure)
    assert [vars(each)["error"] for each in caplog.records] == ["User: arn:aws:sts::42:someone is not authorized"]


async def test_while_sts_is_away_one_request_finds_out_whether_it_is_back(world: World) -> None:
    world.client.failure = AWAY
    for _ in range(3):
        await world.failure()
    assert len(world.client.asked) == 1
    world.now_s = 10.0
    for _ in range(3):
        await world.failure()
    assert len(world.client.asked) == 2
    world.now_s, world.client.failure = 20.0, None
    await world.sts.credentials(request())
    await world.sts.credentials(request())
    assert len(world.client.asked) == 4


async def test_refusal_of_one_import_does_not_keep_another_from_asking(world: World) -> None:
    world.client.failure = answered("AccessDenied")
    await world.failure()
    world.client.failure = None
    await world.sts.credentials(request())
    assert len(world.client.asked) == 2


async def test_only_a_few_requests_are_made_at_a_time() -> None:
    most, now, lock, go, full = 0, 0, threading.Lock(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(Client):
        def assume_role(self, **arguments: object) -> dict[str, Any]:
            nonlocal most, now
            with lock:
                now += 1
                most = max(most, now)
            if now == 4:
                loop.call_soon_threadsafe(full.set)
            go.wait(60)
            with lock:
                now -= 1
            return super().assume_role(**arguments)

    sts = Sts(Slow())
    asked = [asyncio.create_task(sts.credentials(request())) for _ in range(12)]
    await full.wait()
    go.set()
    await asyncio.gather(*asked)
    assert most == 4


@pytest.mark.parametrize(
    "answer",
    [
        {},
        None,
        "<html>",
        {"Credentials": None},
        {"Credentials": {}},
        {"Credentials": GIVEN | {"SessionToken": None}},
        {"Credentials": GIVEN | {"AccessKeyId": ""}},
    ],
    ids=str,
)
async def test_answer_without_credentials_is_named_and_asked_for_again(answer: object) -> None:
    class Odd(Client):
        def assume_role(self, **_: object) -> Any:  # noqa: ANN401 - any answer
            return answer

    failure = await World(Odd()).failure()
    assert failure.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert "STS answered without credentials; it is asked again" in str(failure)


async def test_answer_that_is_not_sts_own_is_named() -> None:
    class Page(Client):
        def assume_role(self, **_: object) -> Any:  # noqa: ANN401 - any answer
            raise ResponseParserError("Unable to parse response: <html>")

    failure = await World(Page()).failure()
    assert failure.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert "STS does not answer (ResponseParserError)" in str(failure)


async def test_requests_that_stall_hold_up_no_other_for_long() -> None:
    go = threading.Event()

    class Stalling(Client):
        stalls = True

        def assume_role(self, **arguments: object) -> dict[str, Any]:
            if self.stalls:
                self.asked.append(arguments)
                go.wait(60)
            return super().assume_role(**arguments)

    client, clock_s = Stalling(), 0.0
    sts = Sts(client, clock=lambda: clock_s, deadline_s=2)
    asked = [asyncio.create_task(sts.credentials(request())) for _ in range(8)]
    failures = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 60)
    assert [str(each)[:19] for each in failures] == ["STS does not answer"] * 8
    assert len(client.asked) == 4, "the others waited, and were not asked for"
    clock_s, client.stalls = 10.0, False
    given = await asyncio.wait_for(sts.credentials(request()), 60)
    assert given.access_key_id == "ASIA1"
    go.set()


async def test_sts_that_always_stalls_gets_a_bounded_number_of_threads() -> None:
    go, clock_s = threading.Event(), 0.0

    class Stalling(Client):
        def assume_role(self, **arguments: object) -> dict[str, Any]:
            self.asked.append(arguments)
            go.wait(60)
            return super().assume_role(**arguments)

    client = Stalling()
    sts = Sts(client, clock=lambda: clock_s, deadline_s=0.01)
    for _ in range(30):
        with pytest.raises(SessionError):
            await sts.credentials(request())
        clock_s += 10.0
    assert len(client.asked) == 16
    go.set()
