"""POSTs against real endpoints on loopback; seconds of waiting pass in virtual time."""

from __future__ import annotations

import asyncio
import socket
import ssl
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.source_policy import SourcePolicy
from mediaimport_operator.notify.poster import MAX_ANSWER_BYTES, Answer, Poster

from tests.support.endpoints import answer, receiving
from tests.support.loopback.certificate import Certificate
from tests.support.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.endpoints import Answer as ReplyTo
    from tests.support.endpoints import Receiver

LOOPBACK = SourcePolicy((ip_network("127.0.0.0/8"),))


async def post(url: str, *, policy: SourcePolicy = LOOPBACK, tls: ssl.SSLContext | None = None) -> Answer:
    return await Poster(policy, tls=tls).post(url, '{"a":1}', {"webhook-id": "1"})


def test_event_is_delivered_with_its_headers() -> None:
    async def scenario() -> None:
        async with receiving() as receiver:
            result = await post(f"http://127.0.0.1:{receiver.port}/hook?for=us")
            assert (result.accepted, result.status, result.error) == (True, 204, "")
            ((headers, body),) = receiver.events
            assert (body, headers["webhook-id"], headers["content-type"]) == ('{"a":1}', "1", "application/json")

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254"])
def test_private_address_is_refused(host: str) -> None:
    result = asyncio.run(post(f"http://{host}:9/", policy=SourcePolicy()))
    assert not result.accepted
    assert "the address is not allowed" in result.error


def test_name_is_refused_if_one_of_its_addresses_is_private() -> None:
    async def scenario() -> Answer:
        async def resolve(host: str, port: int) -> list[str]:
            assert (host, port) == ("hooks.example", 80)
            return ["93.184.216.34", "10.0.0.1"]

        return await Poster(SourcePolicy(), resolve=resolve).post("http://hooks.example/", "{}", {})

    assert "10.0.0.1 is not a public address" in asyncio.run(scenario()).error


def test_name_is_resolved_once_and_the_checked_address_is_connected_to() -> None:
    async def scenario() -> None:
        asked = []

        async def resolve(host: str, port: int) -> list[str]:
            asked.append((host, port))
            return ["127.0.0.1"]

        async with receiving() as receiver:
            poster = Poster(LOOPBACK, resolve=resolve)
            result = await poster.post(f"http://hooks.example:{receiver.port}/", "{}", {})
            assert result.accepted
            assert asked == [("hooks.example", receiver.port)]
            assert receiver.events[0][0]["host"] == f"hooks.example:{receiver.port}"

    asyncio.run(scenario())


def test_unknown_name_is_an_error_that_says_so() -> None:
    async def resolve(_: str, __: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def scenario() -> Answer:
        return await Poster(LOOPBACK, resolve=resolve).post("http://nowhere.example/", "{}", {})

    assert asyncio.run(scenario()).error == "the name does not resolve: Name or service not known"


def test_redirect_is_not_followed() -> None:
    async def scenario() -> None:
        async with receiving() as target:
            moved = answer("302 Found", f"location: http://127.0.0.1:{target.port}/")
            async with receiving(moved) as receiver:
                result = await post(f"http://127.0.0.1:{receiver.port}/")
                assert (result.accepted, result.error) == (False, "HTTP 302: redirects are not followed")
                assert target.events == []

    asyncio.run(scenario())


def test_retry_after_and_410_are_read() -> None:
    async def answered(*parts: str) -> Answer:
        async with receiving(answer(*parts)) as receiver:
            return await post(f"http://127.0.0.1:{receiver.port}/")

    busy = asyncio.run(answered("503 Service Unavailable", "Retry-After: 120"))
    dated = asyncio.run(answered("503 Service Unavailable", "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT"))
    assert (busy.retry_after_s, busy.gone, dated.retry_after_s) == (120.0, False, 0.0)
    assert asyncio.run(answered("410 Gone")).gone


def test_answer_after_nine_seconds_is_taken_and_none_within_ten_is_not() -> None:
    def slow(wait_s: float) -> ReplyTo:
        async def write(_: Receiver, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(wait_s)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

        return write

    async def answered(wait_s: float) -> Answer:
        async with receiving(slow(wait_s)) as receiver:
            return await post(f"http://127.0.0.1:{receiver.port}/")

    assert in_virtual_time(answered(9)).accepted
    silent = in_virtual_time(answered(3600))
    assert (silent.accepted, silent.error) == (False, "no answer within 10 s")


def test_drip_of_headers_ends_after_ten_seconds() -> None:
    async def drip(_: Receiver, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x-more: 1\r\n")
            await writer.drain()
            await asyncio.sleep(1)

    async def scenario() -> Answer:
        async with receiving(drip) as receiver:
            return await post(f"http://127.0.0.1:{receiver.port}/")

    assert in_virtual_time(scenario()).error == "no answer within 10 s"


def test_handshake_that_never_ends_is_given_up_after_ten_seconds() -> None:
    async def scenario() -> Answer:
        # It speaks no TLS: it waits for the end of what it takes for a request.
        async with receiving() as receiver:
            result = await post(f"https://127.0.0.1:{receiver.port}/")
            # Its connection is closed, not left to the garbage collector: the endpoint sees that nobody is there.
            async with asyncio.timeout(60):
                await receiver.left.wait()
            return result

    assert in_virtual_time(scenario()).error == "no answer within 10 s"


def test_headers_without_an_end_are_no_answer() -> None:
    async def flood(_: Receiver, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + b"x-more: and more\r\n" * 8_000)
        await asyncio.Event().wait()

    async def scenario() -> Answer:
        async with receiving(flood) as receiver:
            return await post(f"http://127.0.0.1:{receiver.port}/")

    assert asyncio.run(scenario()).error == "the answer is no valid HTTP"


def test_of_a_long_answer_only_the_beginning_is_read() -> None:
    async def scenario() -> None:
        endless = asyncio.Event()

        async def write(_: Receiver, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1048576\r\n\r\n")
            writer.write(b"x" * MAX_ANSWER_BYTES)
            await writer.drain()
            await endless.wait()

        async with receiving(write) as receiver:
            # The rest never comes: who waited for it would not get an answer.
            assert (await post(f"http://127.0.0.1:{receiver.port}/")).accepted

    in_virtual_time(scenario())


def test_certificate_is_verified_for_the_name(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path)

    async def scenario() -> None:
        async with receiving(tls=certificate.server_context()) as receiver:
            trusting = ssl.create_default_context(cafile=certificate.authority)
            url = f"https://localhost:{receiver.port}/"

            async def loopback(_: str, __: int) -> list[str]:
                return ["127.0.0.1"]

            assert (await Poster(LOOPBACK, tls=trusting, resolve=loopback).post(url, "{}", {})).accepted
            strange = await Poster(LOOPBACK, resolve=loopback).post(url, "{}", {})
            assert "the certificate is not trusted" in strange.error
            other = url.replace("localhost", "hooks.example")
            misnamed = await Poster(LOOPBACK, tls=trusting, resolve=loopback).post(other, "{}", {})
            assert "the certificate is not trusted" in misnamed.error
            assert len(receiver.events) == 1

    asyncio.run(scenario())


def test_refused_connection_and_no_http_are_told() -> None:
    async def no_http(_: Receiver, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    async def scenario() -> tuple[Answer, Answer]:
        async with receiving(no_http) as receiver:
            url = f"http://127.0.0.1:{receiver.port}/"
            odd = await post(url)
        return odd, await post(url)

    odd, refused = asyncio.run(scenario())
    assert odd.error == "the answer is no valid HTTP"
    assert refused.error == "the connection was refused"
