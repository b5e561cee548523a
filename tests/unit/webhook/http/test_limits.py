from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_webhook.http import bodies, problems
from mediaimport_webhook.http.limits import Limits, RequestLimits
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import Message


@dataclass
class Exchange:
    """One request whose body comes as the test says."""

    headers: dict[str, str]
    path: str = "/"
    address: str = "192.0.2.1"
    body: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)
    start: dict[str, Any] = field(default_factory=dict)

    def bring(self, size_bytes: int, *, more: bool) -> None:
        self.body.put_nowait({"type": "http.request", "body": size_bytes * b"x", "more_body": more})

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = dict(message)

    @property
    def status(self) -> int:
        return int(self.start["status"])

    @property
    def answered(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.start["headers"]}

    async def run(self, app: Starlette) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        scope = {"type": "http", "method": "POST", "path": self.path, "query_string": b"", "headers": headers}
        scope["client"] = (self.address, 1)
        await app(scope, self.body.get, self.send)


def application(limits: Limits, endpoint: Callable[[Request], Any] | None = None) -> Starlette:
    async def read(request: Request) -> Response:
        return PlainTextResponse(str(len(await bodies.read_body(request))))

    async def probe(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[Route("/", endpoint or read, methods=["POST"]), Route("/healthz", probe, methods=["POST"])],
        middleware=[Middleware(RequestLimits, limits=limits, address_of=lambda scope: str(scope["client"][0]))],
        exception_handlers={problems.Problem: problems.problem_response},
    )


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("headers", [{"content-length": "10"}, {"transfer-encoding": "chunked"}])
def test_body_that_stalls_is_408_at_the_deadline(headers: dict[str, str]) -> None:
    exchange = Exchange(headers)
    exchange.bring(5, more=True)
    asyncio.run(asyncio.wait_for(exchange.run(application(Limits(body_timeout_s=0.05))), 5))
    assert (exchange.status, exchange.answered["connection"]) == (408, "close")


def test_deadline_is_for_the_whole_body_and_not_for_each_part() -> None:
    async def trickle() -> int:
        exchange = Exchange({"content-length": "1000"})
        running = asyncio.create_task(exchange.run(application(Limits(body_timeout_s=0.2))))
        while not running.done():
            exchange.bring(1, more=True)
            await asyncio.sleep(0.02)
        await running
        return exchange.status

    assert asyncio.run(asyncio.wait_for(trickle(), 5)) == 408


def test_bodies_beyond_the_budget_are_503_and_those_within_are_read() -> None:
    async def three() -> list[Exchange]:
        app = application(Limits(body_bytes=100))
        exchanges = [Exchange({"content-length": "60"}) for _ in range(3)]
        first, second, third = [asyncio.create_task(each.run(app)) for each in exchanges]
        exchanges[0].bring(50, more=True)
        await settle()
        exchanges[1].bring(60, more=False)
        await second
        exchanges[0].bring(10, more=False)
        await first
        exchanges[2].bring(60, more=False)
        await third
        return exchanges

    first, refused, later = asyncio.run(three())
    assert [each.status for each in (first, refused, later)] == [200, 503, 200]
    assert refused.answered["retry-after"] == "2"


def test_address_that_holds_its_share_of_bodies_leaves_the_rest_to_others() -> None:
    async def two_addresses() -> list[int]:
        app = application(Limits(body_bytes=100, address_body_bytes=50))
        holder, same, other = (
            Exchange({"content-length": "60"}),
            Exchange({"content-length": "20"}),
            Exchange({"content-length": "20"}, address="192.0.2.2"),
        )
        holding = asyncio.create_task(holder.run(app))
        holder.bring(45, more=True)
        await settle()
        same.bring(20, more=False)
        other.bring(20, more=False)
        await same.run(app)
        await other.run(app)
        holder.bring(15, more=False)
        await holding
        later = Exchange({"content-length": "20"})
        later.bring(20, more=False)
        await later.run(app)
        return [each.status for each in (same, other, holder, later)]

    assert asyncio.run(two_addresses()) == [503, 200, 503, 200]


async def passing(request: Request) -> Response:
    """Read a body of any length without holding it."""
    body = await bodies.read_or_pass(request, limit_bytes=30)
    assert isinstance(body, bodies.LongBody)
    return PlainTextResponse(str(sum([len(each) async for each in body.pieces(limit_bytes=1000)])))


@pytest.mark.parametrize("headers", [{"content-length": "400"}, {"transfer-encoding": "chunked"}])
def test_body_that_is_not_held_needs_no_budget(headers: dict[str, str]) -> None:
    async def two() -> list[int]:
        app = application(Limits(body_bytes=100, address_body_bytes=50), passing)
        exchanges = [Exchange(headers), Exchange(headers)]
        for each in exchanges:
            for place in range(20):
                each.bring(20, more=place < 19)
            await each.run(app)
        return [each.status for each in exchanges]

    assert asyncio.run(two()) == [200, 200]


def test_budget_is_whole_again_after_a_body_that_was_held_in_part() -> None:
    async def three() -> list[int]:
        app = application(Limits(body_bytes=50), passing)
        cut = Exchange({"content-length": "400"})
        cut.bring(40, more=True)
        cut.body.put_nowait({"type": "http.disconnect"})
        with pytest.raises(ClientDisconnect):
            await cut.run(app)
        later = [Exchange({"content-length": "50"}), Exchange({"content-length": "60"})]
        for each, size_bytes in zip(later, (50, 60), strict=True):
            each.bring(size_bytes, more=False)
            await each.run(app)
        return [each.status for each in later]

    assert asyncio.run(three()) == [200, 503]


def test_body_that_is_not_held_has_more_time_the_more_of_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 bytes are a second's worth: the body takes longer than the first deadline, and then stalls."""
    monkeypatch.setattr("mediaimport_webhook.http.limits._SLOWEST_BYTES_PER_S", 20)
    ends: list[float] = []

    async def stalled(exchange: Exchange, app: Starlette) -> None:
        loop = asyncio.get_running_loop()
        await exchange.run(app)
        ends.append(loop.time())

    async def trickle() -> int:
        loop = asyncio.get_running_loop()
        exchange = Exchange({"content-length": "400"})
        running = asyncio.create_task(stalled(exchange, application(Limits(body_timeout_s=5), passing)))
        for _ in range(6):
            exchange.bring(20, more=True)
            await asyncio.sleep(1)
        assert loop.time() > 5
        assert not running.done()
        await running
        return exchange.status

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        status = runner.run(trickle())
    assert status == 408
    assert ends == pytest.approx([11], abs=0.5)


def test_requests_beyond_the_limit_are_503_and_probes_are_not() -> None:
    async def load() -> tuple[list[Exchange], list[int]]:
        app = application(Limits(requests=2))
        waiting = [Exchange({"content-length": "1"}) for _ in range(2)]
        running = [asyncio.create_task(each.run(app)) for each in waiting]
        await settle()
        more, probe = Exchange({}), Exchange({}, path="/healthz")
        await more.run(app)
        await probe.run(app)
        for each in waiting:
            each.bring(1, more=False)
        await asyncio.gather(*running)
        later = Exchange({})
        later.bring(0, more=False)
        await later.run(app)
        return [more, probe, later], [each.status for each in waiting]

    (more, probe, later), waited = asyncio.run(load())
    assert (more.status, probe.status, later.status, waited) == (503, 200, 200, [200, 200])
    assert (more.answered["retry-after"], more.answered["connection"]) == ("2", "close")


@pytest.mark.parametrize(
    ("headers", "closed"),
    [
        ({"content-length": "70000"}, True),
        ({"content-length": "100"}, False),
        ({"transfer-encoding": "chunked"}, True),
    ],
)
def test_connection_is_closed_if_a_refused_body_is_too_long_to_read(headers: dict[str, str], *, closed: bool) -> None:
    async def refuse(_: Request) -> Response:
        return PlainTextResponse("no", 401)

    exchange = Exchange(headers)
    asyncio.run(exchange.run(application(Limits(), refuse)))
    assert ("connection" in exchange.answered) is closed
