from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import pyvips

from tests.support.replicate.files import lengthened

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from httpx import Response

    from tests.unit.support.replicate.conftest import World

    StartWorld = Callable[..., Awaitable[World]]

pytestmark = pytest.mark.anyio


async def fetch(world: World, headers: dict[str, str] | None = None, **scenario: object) -> Response:
    done = await world.settled((await world.create(input={"stand_in": scenario}))["id"])
    answer: Response = await world.api.get(done["output"], headers=headers or {})
    return answer


async def test_file_is_the_video(start: StartWorld) -> None:
    world = await start()
    response = await fetch(world)
    assert response.content == world.service.settings.media_file.read_bytes()
    assert response.headers["content-type"] == "video/mp4"
    assert int(response.headers["content-length"]) == len(response.content)


async def test_range_is_answered_in_part(start: StartWorld) -> None:
    world = await start()
    response = await fetch(world, {"range": "bytes=100-"})
    assert response.status_code == 206
    assert response.content == world.service.settings.media_file.read_bytes()[100:]
    assert response.headers["content-range"].startswith("bytes 100-")


async def test_range_beyond_the_end_is_refused(start: StartWorld) -> None:
    assert (await fetch(await start(), {"range": "bytes=99999999-"})).status_code == 416


async def test_longer_file_is_the_video_with_a_box_that_players_skip(start: StartWorld) -> None:
    world = await start()
    video = world.service.settings.media_file.read_bytes()
    content = (await fetch(world, size_bytes=200_000)).content
    assert len(content) == 200_000
    box = content[len(video) :]
    assert (box[:8], int.from_bytes(box[8:16], "big")) == (b"\0\0\0\1free", len(box))


def test_video_that_is_long_enough_is_left_alone() -> None:
    assert lengthened(b"video", 5).size_bytes == 5


async def test_truncated_file_is_the_first_half(start: StartWorld) -> None:
    world = await start()
    video = world.service.settings.media_file.read_bytes()
    assert (await fetch(world, file="truncated")).content == video[: len(video) // 2]


async def test_empty_and_html_files_are_answered_200(start: StartWorld) -> None:
    world = await start()
    empty, html = await fetch(world, file="empty"), await fetch(world, file="html")
    assert (empty.status_code, empty.content) == (200, b"")
    assert (html.status_code, html.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_missing_file_is_404(start: StartWorld) -> None:
    assert (await fetch(await start(), file="missing")).status_code == 404


async def test_failures_pass(start: StartWorld) -> None:
    world = await start()
    done = await world.settled((await world.create(input={"stand_in": {"failures": 2}}))["id"])
    assert [(await world.api.get(done["output"])).status_code for _ in range(3)] == [503, 503, 200]


async def test_picture_is_one_of_200_kb(start: StartWorld) -> None:
    response = await fetch(await start(), file="picture")
    image = pyvips.Image.pngload_buffer(response.content)
    assert (response.headers["content-type"], image.width, image.height) == ("image/png", 1024, 1024)
    assert 150_000 < len(response.content) < 250_000
    assert image.max() == 255


async def test_cut_connection_brings_fewer_bytes_than_promised_and_only_once(start: StartWorld) -> None:
    world = await start()
    done = await world.settled((await world.create(input={"stand_in": {"cut_after_bytes": 100}}))["id"])
    cut, whole = await world.api.get(done["output"]), await world.api.get(done["output"])
    assert len(cut.content) == 100
    assert int(cut.headers["content-length"]) == len(whole.content) > 100


async def test_slow_file_takes_its_time(start: StartWorld) -> None:
    world = await start()
    response = await fetch(world, bytes_per_second=100_000)
    assert response.elapsed.total_seconds() >= len(response.content) / 100_000


async def test_file_that_asks_for_its_token_is_for_who_has_it(start: StartWorld) -> None:
    world = await start()
    assert (await fetch(world, {"authorization": "Bearer other"}, bearer="hush")).status_code == 401
    assert (await fetch(world, {"authorization": "Bearer hush"}, bearer="hush")).status_code == 200


async def test_file_that_has_moved_asks_for_its_token_here_and_refuses_it_there(start: StartWorld) -> None:
    world = await start()
    token = {"authorization": "Bearer hush"}
    moved = await fetch(world, token, bearer="hush", moved_to="elsewhere")
    there = moved.headers["location"]
    assert (moved.status_code, httpx.URL(there).host) == (307, "elsewhere")
    assert (await world.api.get(there, headers=token)).status_code == 400
    assert (await world.api.get(there, headers={"authorization": ""})).status_code == 400
    del world.api.headers["authorization"]
    assert (await world.api.get(there)).status_code == 200
