from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from mediaimport_webhook.access.jwks import KeySet
from mediaimport_webhook.access.oidc import Issuer, user_of
from mediaimport_webhook.http.problems import Problem
from mediaimport_webhook.settings import Oidc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from tests.support.webhook import Start

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
ISSUER, AUDIENCE = "https://login.test/realm", "mediaimport"
OIDC = Oidc(ISSUER, AUDIENCE, None, "groups", "media-admins")
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY, OTHER_KEY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def public(key_id: str, key: Key, **members: str) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id} | members
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id} | members


def token(key: Key | str = EC_KEY, *, key_id: str | None = "one", algorithm: str = "ES256", **claims: object) -> str:
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "Alice@login.test", "exp": now + 3600} | claims
    kept = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={} if key_id is None else {"kid": key_id})


class World:
    def __init__(self) -> None:
        self.published = [public("one", EC_KEY)]
        self.asked: list[str] = []
        self.now = 1000.0
        self.down = False
        self.answer: object = None
        """Instead of the published keys."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.issuer = Issuer.of(OIDC, http)
        self.issuer = Issuer(
            OIDC, KeySet(http, self.issuer.key_set._locate, publisher="issuer", monotonic=lambda: self.now)
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.down:
            return httpx.Response(500)
        if request.url.path == "/realm/.well-known/openid-configuration":
            return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": "https://login.test/keys"})
        return httpx.Response(200, json={"keys": self.published} if self.answer is None else self.answer)

    def caller(self, text: str) -> tuple[str, bool]:
        caller = asyncio.run(self.issuer.caller(text))
        return caller.user_id, caller.admin

    def refusal(self, text: str) -> Problem:
        with pytest.raises(Problem) as problem:
            self.caller(text)
        return problem.value


def test_subject_becomes_a_user_id_that_fits_labels_and_keys() -> None:
    world = World()
    (user, admin) = world.caller(token())
    assert re.fullmatch(r"u-[a-z2-7]{32}", user)
    assert (user, admin) == (user_of(ISSUER, "Alice@login.test"), False)
    assert user_of(ISSUER, "alice@login.test") != user
    assert world.asked == ["/realm/.well-known/openid-configuration", "/keys"]


def test_group_makes_an_admin() -> None:
    assert World().caller(token(groups=["a", "media-admins"]))[1]
    assert not World().caller(token(groups="media-admins"))[1]


def test_rsa_keys_are_good_too() -> None:
    world = World()
    world.published = [public("enc", OTHER_KEY, use="enc"), public("rsa", RSA_KEY, use="sig")]
    assert world.caller(token(RSA_KEY, key_id="rsa", algorithm="RS256"))[0].startswith("u-")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (token(exp=int(time.time()) - 60), "expired"),
        (token(aud="another"), "another issuer's"),
        (token(iss="https://evil.test"), "another issuer's"),
        (token(sub=None), "not valid"),
        (token(exp=None), "not valid"),
        (token(aud=None), "not valid"),
        (token(sub=5), "not valid"),
        (token(sub="half of a pair: \ud83d"), "not valid"),
        (token(nbf=int(time.time()) + 36000), "not valid"),
        (token(OTHER_KEY), "not valid"),
        (token(key_id="unknown"), "not valid"),
        (token("x" * 64, algorithm="HS256"), "not valid"),
        (jwt.encode({"sub": "a"}, "", algorithm="none"), "not valid"),
        (token()[:-4], "not valid"),
        ("a.b.c", "not valid"),
        ("..", "not valid"),
    ],
)
def test_token_that_is_not_good_here_is_refused(text: str, says: str) -> None:
    problem = World().refusal(text)
    assert (problem.status, says in problem.detail) == (401, True)


def test_rotated_key_is_fetched_and_strangers_cannot_make_us_ask() -> None:
    world = World()
    world.caller(token())
    world.published = [public("two", OTHER_KEY)]
    world.now += 31
    world.caller(token(OTHER_KEY, key_id="two"))
    asked = len(world.asked)
    for number in range(20):
        world.refusal(token(key_id=f"stranger-{number}"))
    assert len(world.asked) == asked
    world.now += 3601
    assert world.refusal(token()).status == 401


def test_issuer_that_is_down_is_bridged_by_the_keys_that_are_held() -> None:
    world = World()
    world.caller(token())
    world.down = True
    world.now += 3601
    assert world.caller(token())[0].startswith("u-")
    world.now += 24 * 3600
    assert world.refusal(token()).status == 503


def test_answer_that_is_no_key_set_counts_as_none() -> None:
    world = World()
    for answer in (["keys"], {"keys": "none"}, {}):
        world.answer = answer
        assert world.refusal(token()).status == 503
        world.now += 31


def test_issuer_that_was_never_there_is_503() -> None:
    world = World()
    world.down = True
    assert world.refusal(token()).status == 503


def test_routes_take_a_token_of_the_file_or_a_jwt(start: Start) -> None:
    webhook = start(OIDC_ISSUER=ISSUER, OIDC_AUDIENCE=AUDIENCE, OIDC_JWKS_URL="https://login.test/keys")
    webhook.replicate.answers["/keys"] = httpx.Response(200, json={"keys": [public("one", EC_KEY)]})
    answers = [webhook.call("GET", "/api/v1/media/", token=each).status_code for each in (None, "no", "a.b.c", token())]
    assert answers == [401, 401, 401, 200]
    assert webhook.call("GET", "/api/v1/media/").status_code == 200
    made = webhook.call(
        "POST", "/api/v1/media/import-from-url", token=token(), json={"url": "https://example.com/a.mp4"}
    )
    assert (made.status_code, webhook.specs()[0]["userId"]) == (202, user_of(ISSUER, "Alice@login.test"))
    assert webhook.call("GET", made.headers["location"], token="bob-token-0123456789").status_code == 404


def test_jwts_alone_are_enough(start: Start) -> None:
    webhook = start(OIDC_ISSUER=ISSUER, OIDC_AUDIENCE=AUDIENCE, AUTH_TOKENS_FILE=None)
    assert webhook.call("GET", "/api/v1/media/").status_code == 401


def test_same_subject_of_another_issuer_is_another_user() -> None:
    assert user_of("https://one.test", "alice") != user_of("https://two.test", "alice")


def test_no_request_waits_for_an_issuer_that_does_not_answer_while_keys_are_held() -> None:
    now, answers, asked = [1000.0], asyncio.Event(), []

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) > 1:
            await answers.wait()
        return httpx.Response(200, json={"keys": [public("two" if len(asked) > 1 else "one", EC_KEY)]})

    async def locate() -> str:
        return "https://login.test/keys"

    async def callers() -> tuple[int, int]:
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        issuer = Issuer(OIDC, KeySet(http, locate, publisher="issuer", monotonic=lambda: now[0]))
        await issuer.caller(token())
        now[0] += 3601
        async with asyncio.timeout(1):
            for _ in range(5):
                await issuer.caller(token())
                await asyncio.sleep(0)
        during = len(asked)
        answers.set()
        while [each.key_id for each in await issuer.key_set.keys()] != ["two"]:  # noqa: ASYNC110 - the key set has no event
            await asyncio.sleep(0.001)
        return during, len(asked)

    assert asyncio.run(asyncio.wait_for(callers(), 5)) == (2, 2)


def key_set(
    answer: Callable[[httpx.Request], Coroutine[None, None, httpx.Response]],
    *,
    monotonic: Callable[[], float] = time.monotonic,
    fetch_timeout_s: float = 10.0,
) -> KeySet:
    async def locate() -> str:
        return "https://login.test/keys"

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return KeySet(http, locate, publisher="issuer", monotonic=monotonic, fetch_timeout_s=fetch_timeout_s)


def test_requests_after_a_slow_failure_do_not_each_wait_for_another() -> None:
    now, asked = [1000.0], []

    async def fail_slowly(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        now[0] += 10
        return httpx.Response(500)

    async def four(keys: KeySet) -> int:
        for _ in range(4):
            with pytest.raises(Problem):
                await keys.keys()
        now[0] += 10
        with pytest.raises(Problem):
            await keys.keys()
        return len(asked)

    assert asyncio.run(four(key_set(fail_slowly, monotonic=lambda: now[0]))) == 2


def test_publisher_that_drips_its_answer_is_given_up() -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=drip())

    async def refused() -> int:
        with pytest.raises(Problem) as problem:
            await asyncio.wait_for(key_set(answer, fetch_timeout_s=0.1).keys(), 5)
        return problem.value.status

    assert asyncio.run(refused()) == 503
