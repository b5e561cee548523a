"""Signed callbacks with garbage in all their fields, sent to the running webhook on the real API server."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_json import Members, around, fuzzed, text_of, texts, values
from tests.support.replicate.callbacks import signed
from tests.support.replicate.prediction import new_id

if TYPE_CHECKING:
    import httpx
    from hypothesis.strategies import DataObject

    from tests.support.installation.world import World

FIELDS = ("model", "version", "created_at", "completed_at", "error", "logs", "input", "metrics")


def imported(world: World) -> list[str]:
    """Return the URLs of all imports of the namespace that have one, each as often as it is imported."""
    found = world.installation.kube.get("mediaimports", namespace=world.namespace)["items"]
    return [each["spec"]["source"]["url"] for each in found if "url" in each["spec"]["source"]]


def test_valid_outputs_among_garbage_are_kept_by_the_api_server_once_each(idle: World, anonymous: httpx.Client) -> None:
    numbers, sent, run = count(), list[str](), new_id()

    @fuzzed(40)
    @given(data=st.data())
    def deliver(data: DataObject) -> None:
        number = next(numbers)
        urls = [f"https://files.test/{run}/{number}/{place}.mp4" for place in range(2)]
        output = around([around(each, data.draw, levels=3) for each in urls], data.draw, levels=4)
        others = data.draw(st.dictionaries(st.sampled_from(FIELDS), st.one_of(values, texts), max_size=4))
        fields = {**others, "id": f"{run}-{number}", "status": "succeeded", "output": output}
        body = text_of(Members(tuple(fields.items())))
        for _ in range(2):
            answer = anonymous.post("/api/v1/replicate/webhook", content=body, headers=signed(body))
            assert answer.status_code == 200, (answer.text, body)
        sent.extend(urls)

    deliver()
    ours = [each for each in imported(idle) if f"/{run}/" in each]
    assert sorted(ours) == sorted(sent)
