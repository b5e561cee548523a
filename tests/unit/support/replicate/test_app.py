from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.support.replicate.conftest import World

    StartWorld = Callable[..., Awaitable[World]]

pytestmark = pytest.mark.anyio


async def test_created_prediction_is_starting_and_then_succeeds_with_a_file(start: StartWorld) -> None:
    world = await start()
    created = await world.create()
    assert (created["status"], created["output"], created["model"]) == ("starting", None, "wan/video")
    assert len(created["id"]) == 26
    done = await world.settled(created["id"])
    assert done["status"] == "succeeded"
    assert done["output"] == f"http://replicate.test/files/{created['id']}/0/output.mp4"
    assert done["input"] == {"prompt": "a rabbit"}
    assert done["completed_at"].endswith("Z")


async def test_prediction_is_created_by_version_too(start: StartWorld) -> None:
    world = await start()
    body = {"version": "wan/video:5c7d", "input": {}}
    created = (await world.api.post("/v1/predictions", json=body)).json()
    assert (created["model"], created["version"]) == ("wan/video", "5c7d")


@pytest.mark.parametrize("token", ["", "Bearer wrong", "Basic r8_stand_in"])
async def test_request_without_the_token_is_refused(start: StartWorld, token: str) -> None:
    world = await start()
    response = await world.api.get("/v1/predictions", headers={"authorization": token})
    assert response.status_code == 401
    assert response.json()["status"] == 401


async def test_throttled_requests_are_answered_429_with_a_reset_and_then_let_in(start: StartWorld) -> None:
    world = await start()
    await world.api.post("/stand-in/throttle", json={"requests": 2})
    answers = [await world.api.get("/v1/predictions") for _ in range(3)]
    assert [each.status_code for each in answers] == [429, 429, 200]
    assert answers[0].headers["ratelimit-reset"] == "1"


async def test_list_is_newest_first_in_pages_of_a_hundred(start: StartWorld) -> None:
    world = await start(predict_s=1000)
    ids = [(await world.create())["id"] for _ in range(205)]
    listed, sizes, url = [], [], "/v1/predictions"
    while url:
        page = (await world.api.get(url)).json()
        listed += [each["id"] for each in page["results"]]
        sizes.append(len(page["results"]))
        url = page["next"]
    assert sizes == [100, 100, 5]
    assert listed == ids[::-1]


async def test_prediction_shows_the_webhook_that_it_was_given(start: StartWorld) -> None:
    world = await start(predict_s=1000)
    url = "http://receiver.test/hook?owner=token"
    body = {"input": {}, "webhook": url, "webhook_events_filter": ["completed"]}
    with_one = (await world.api.post("/v1/models/wan/video/predictions", json=body)).json()
    without = (await world.api.post("/v1/models/wan/video/predictions", json={"input": {}})).json()
    listed = (await world.api.get("/v1/predictions")).json()["results"]
    got = (await world.api.get(f"/v1/predictions/{with_one['id']}")).json()
    assert [each.get("webhook") for each in (with_one, got, *listed)] == [url, url, None, url]
    assert (with_one["webhook_events_filter"], "webhook_events_filter" in without) == (["completed"], False)


async def test_webhook_secret_can_be_read(start: StartWorld) -> None:
    world = await start()
    answer = (await world.api.get("/v1/webhooks/default/secret")).json()
    assert answer == {"key": world.service.settings.webhook_secret}


async def test_output_and_files_are_gone_when_their_life_is_over(start: StartWorld) -> None:
    world = await start(file_lifetime_s=3600)
    done = await world.settled((await world.create())["id"])
    assert (await world.api.get(done["output"])).status_code == 200
    world.clock.pass_by(seconds=3601)
    assert (await world.api.get(done["output"])).status_code == 404
    removed = (await world.api.get(f"/v1/predictions/{done['id']}")).json()
    assert (removed["status"], removed["output"], removed["data_removed"]) == ("succeeded", None, True)


async def test_scenario_can_shorten_the_life_of_its_files(start: StartWorld) -> None:
    world = await start(file_lifetime_s=3600)
    done = await world.settled((await world.create(input={"stand_in": {"lifetime_seconds": 10}}))["id"])
    assert (await world.api.get(done["output"])).status_code == 200
    world.clock.pass_by(seconds=11)
    assert (await world.api.get(done["output"])).status_code == 404


async def test_canceled_prediction_stays_canceled(start: StartWorld) -> None:
    world = await start(predict_s=0.01)
    created = await world.create()
    canceled = (await world.api.post(f"/v1/predictions/{created['id']}/cancel")).json()
    assert canceled["status"] == "canceled"
    assert (await world.settled(created["id"]))["status"] == "canceled"


async def test_failed_prediction_has_an_error_and_no_output(start: StartWorld) -> None:
    world = await start()
    failed = await world.settled((await world.create(input={"stand_in": {"outcome": "failed"}}))["id"])
    assert (failed["status"], failed["output"]) == ("failed", None)
    assert failed["error"]


@pytest.mark.parametrize(
    "body", ["{", "[]", "{}", '{"version": 5}', '{"version": "v", "input": {"stand_in": {"file": "nonsense"}}}']
)
async def test_unusable_body_is_answered_422(start: StartWorld, body: str) -> None:
    world = await start()
    assert (await world.api.post("/v1/predictions", content=body)).status_code == 422


async def test_unknown_prediction_is_not_found(start: StartWorld) -> None:
    world = await start()
    assert (await world.api.get("/v1/predictions/none")).status_code == 404
    assert (await world.api.get("/files/none/0/output.mp4")).status_code == 404
