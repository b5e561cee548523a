from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from mediaimport_runtime.environment import Environment
from mediaimport_webhook.catalogue.index import Catalogue
from mediaimport_webhook.generation.ends import Ends
from mediaimport_webhook.generation.intake import Intake
from mediaimport_webhook.generation.owner import Owner, OwnerToken, OwnerTokens
from mediaimport_webhook.generation.providers.replicate import Replicate
from mediaimport_webhook.generation.records import Records
from mediaimport_webhook.generation.recovery import Recovered, Recovery
from mediaimport_webhook.imports.create import Imports
from mediaimport_webhook.settings import Settings

from tests.support.hostile_json import HALF, MAX_DIGITS, Token, nested, text_of
from tests.support.webhook import OWNER_KEY

if TYPE_CHECKING:
    from mediaimport_webhook.settings import InputProvenance

    from tests.support.webhook import Make, RunningWebhook, Start

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
API = "https://api.replicate.com"
TOKENS = OwnerTokens((OWNER_KEY,))
CALLBACK = "https://media.test/api/v1/replicate/webhook"
OURS = TOKENS.callback_url(CALLBACK, OwnerToken(Owner("alice", ("fun",))))


class World:
    """A recovery over pages of predictions, into the webhook's own cluster."""

    def __init__(
        self, webhook: RunningWebhook, *pages: list[dict[str, Any]], base: str = API, import_all: bool = False
    ) -> None:
        self.webhook = webhook
        self.asked: list[str] = []
        self.pages = pages
        self.base = base
        self.import_all = import_all
        self.whole: dict[str, httpx.Response] = {}
        """Answers to requests for a prediction alone."""
        self.input_provenance: InputProvenance = "full"
        self.tells_failures = False

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        if (alone := self.whole.get(request.url.path)) is not None:
            return alone
        index = int(request.url.params.get("cursor", 0))
        after = f"{self.base}/v1/predictions?cursor={index + 1}" if index + 1 < len(self.pages) else None
        page = {"results": self.pages[index], "next": after, "previous": None}
        return httpx.Response(200, content=text_of(page))

    async def _recover(self) -> Recovered:
        least = {"NAMESPACE": "n", "S3_BUCKET_NAME": "b", "REPLICATE_API_TOKEN": "r8_x"}
        cluster = self.webhook.cluster
        intake = Intake(
            cluster=cluster,
            imports=Imports(cluster, Catalogue(), self.webhook.sidecars),
            incoming=self.webhook.incoming,
            tokens=TOKENS,
            records=Records(cluster),
            default_user_id="default",
            input_provenance=self.input_provenance,
            tells_failures=self.tells_failures,
        )
        async with httpx.AsyncClient(transport=httpx.MockTransport(self._answer)) as http:
            replicate = Replicate(Settings.read(Environment(least)), http)
            return await Recovery(replicate, intake, cluster, TOKENS, import_all=self.import_all).run(NOW)

    def recover(self) -> Recovered:
        return self.webhook.run(self._recover())


def completed(minutes_ago: float) -> dict[str, str]:
    moment = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    return {"created_at": moment, "completed_at": moment, "webhook": OURS}


@pytest.mark.parametrize(
    "garbage",
    [
        {"model": HALF},
        {"output": {HALF: "https://files.test/a.mp4"}},
        {"output": "https://files.test/" + HALF},
        {"status": [HALF]},
        {"id": HALF},
        {"metrics": Token("9" * MAX_DIGITS)},
        {"completed_at": "9999-12-31T23:59:59-01:00"},
        {"webhook": f"{CALLBACK}?owner={HALF}"},
        {"input": nested(200)},
        {"output": nested(5000)},
    ],
    ids=ascii,
)
def test_prediction_with_garbage_keeps_no_other_from_recovery(
    webhook: RunningWebhook, prediction: Make, garbage: dict[str, Any]
) -> None:
    hostile = prediction(id="hostile", **completed(5)) | garbage
    world = World(webhook, [hostile, prediction(id="missed", output="https://files.test/b.mp4", **completed(6))])
    world.recover()
    assert "https://files.test/b.mp4" in [each["source"]["url"] for each in webhook.specs()]


def test_prediction_whose_callback_never_came_is_recovered_once(webhook: RunningWebhook, prediction: Make) -> None:
    world = World(webhook, [prediction(**completed(5))])
    assert (world.recover(), world.recover()) == (Recovered(1, 1), Recovered(1, 0))
    assert len(webhook.cluster.imports) == 1
    webhook.until(lambda: webhook.sample("mediaimport_webhook_cache_recovered_resources") == 1)


def test_callback_and_recovery_make_one_import_of_one_owner(webhook: RunningWebhook, prediction: Make) -> None:
    World(webhook, [prediction(**completed(5))]).recover()
    answer = webhook.callback(prediction(**completed(5)))
    assert answer.json()["assets"][0]["outcome"] == "duplicate"
    assert [(each["userId"], each["tags"]) for each in webhook.specs()] == [("alice", ["ai-generated", "fun"])]


FOREIGN = [None, CALLBACK, "https://other.test/hook", f"{CALLBACK}?owner=forged.token", OURS[:-1]]


@pytest.mark.parametrize("callback_url", FOREIGN)
def test_prediction_of_others_on_the_account_is_left_alone(
    webhook: RunningWebhook, prediction: Make, callback_url: str | None
) -> None:
    foreign = prediction(**completed(5) | {"webhook": callback_url})
    assert World(webhook, [foreign]).recover() == Recovered(1, 0)
    assert webhook.cluster.imports == {}


def test_all_predictions_of_the_account_are_recovered_by_name_without_believing_a_token(
    webhook: RunningWebhook, prediction: Make
) -> None:
    page = [prediction(**completed(5) | {"id": f"p{n}", "webhook": each}) for n, each in enumerate(FOREIGN)]
    assert World(webhook, page, import_all=True).recover() == Recovered(5, 3)
    assert {each["userId"] for each in webhook.specs()} == {"default"}


def test_known_predictions_cost_one_list(webhook: RunningWebhook, prediction: Make) -> None:
    page = [prediction(**completed(5) | {"id": f"p{n}"}) for n in range(100)]
    world = World(webhook, page)
    assert world.recover() == Recovered(100, 100)
    webhook.cluster.calls.clear()
    webhook.sidecars.reads.clear()
    assert world.recover() == Recovered(100, 0)
    assert (webhook.cluster.calls, webhook.sidecars.reads) == (["import_names"], [])


def test_prediction_that_lacks_one_output_is_completed(webhook: RunningWebhook, prediction: Make) -> None:
    output = ["https://replicate.delivery/a.mp4", "https://replicate.delivery/b.mp4"]
    webhook.callback(prediction(output=output[:1], **completed(5)))
    assert World(webhook, [prediction(output=output, **completed(5))]).recover() == Recovered(1, 1)


def test_only_due_predictions_are_recovered(webhook: RunningWebhook, prediction: Make) -> None:
    page = [
        prediction(id="young", **completed(2)),
        prediction(id="dead", **completed(61)),
        prediction(id="failed", status="failed", **completed(5)),
        prediction(id="running", status="processing", created_at=NOW.isoformat(), completed_at=None, webhook=OURS),
        prediction(id="text", output=["Hel", "lo"], **completed(5)),
        prediction(id="removed", output=None, data_removed=True, **completed(5)),
        {"id": 5},
    ]
    assert World(webhook, page).recover() == Recovered(6, 0)
    assert (webhook.cluster.imports, webhook.cluster.events) == ({}, [])


def test_pages_are_followed_until_they_reach_back_far_enough(webhook: RunningWebhook, prediction: Make) -> None:
    pages = [[prediction(id=f"p{index}", **completed(5 + 200 * index))] for index in range(4)]
    world = World(webhook, *pages)
    assert world.recover() == Recovered(3, 1)
    assert world.asked == [f"{API}/v1/predictions", *(f"{API}/v1/predictions?cursor={index}" for index in (1, 2))]


def test_next_page_elsewhere_is_not_followed(webhook: RunningWebhook, prediction: Make) -> None:
    world = World(
        webhook, [prediction(**completed(5))], [prediction(id="p2", **completed(6))], base="https://evil.test"
    )
    assert world.recover() == Recovered(1, 1)


def test_failure_whose_callback_never_came_is_recorded(webhook: RunningWebhook, prediction: Make) -> None:
    failed = prediction(status="failed", output=None, error="out of rabbits", **completed(5))
    foreign = failed | {"id": "foreign", "webhook": CALLBACK}
    world = World(webhook, [failed, foreign])
    assert (world.recover(), world.recover()) == (Recovered(2, 0),) * 2
    found = webhook.run(
        Ends(Records(webhook.cluster)).get(provider="replicate", prediction="pred1"),
    )
    assert found is not None
    assert (found.prediction.error, found.owner) == ("out of rabbits", Owner("alice", ("fun",)))
    assert len(webhook.cluster.leases) == 1


def test_failure_whose_callback_never_came_is_recorded_for_endpoints_once(
    webhook: RunningWebhook, prediction: Make
) -> None:
    world = World(webhook, [prediction(status="failed", output=None, **completed(5))])
    world.tells_failures = True
    assert (world.recover(), world.recover()) == (Recovered(1, 0),) * 2
    kinds = [each["metadata"]["labels"]["mediaimport.dev/record"] for each in webhook.cluster.leases.values()]
    assert sorted(kinds) == ["failed-prediction", "prediction-end"]


def test_success_without_media_whose_callback_never_came_is_recorded(webhook: RunningWebhook, prediction: Make) -> None:
    text = prediction(output=["Hel", "lo"], **completed(5))
    removed = prediction(id="removed", output=None, data_removed=True, **completed(5))
    assert World(webhook, [text, removed]).recover() == Recovered(2, 0)
    ends = Ends(Records(webhook.cluster))
    found = [webhook.run(ends.get(provider="replicate", prediction=each)) for each in ("pred1", "removed")]
    assert [each and each.accepted for each in found] == [0, None]


MADE = {
    "input": {"prompt": "a rabbit"},
    "metrics": {"predict_time": 1.5},
    "logs": "Using seed: 7\n",
    "started_at": "2026-01-01T11:54:00Z",
}


def providers_of(webhook: RunningWebhook) -> list[dict[str, Any]]:
    return [each["source"]["provider"] for each in webhook.specs()]


def test_recovery_records_the_recipe_that_a_callback_records(start: Start, prediction: Make) -> None:
    told, missed = start(), start()
    told.callback(prediction(**MADE, **completed(5)))
    World(missed, [prediction(**MADE, **completed(5))]).recover()
    (provider,) = providers_of(missed)
    assert [provider] == providers_of(told)
    assert (provider["input"], provider["seed"]) == ({"prompt": "a rabbit"}, "7")


def test_recipe_that_the_list_leaves_out_is_asked_for(webhook: RunningWebhook, prediction: Make) -> None:
    listed = prediction(**completed(5))
    del listed["logs"]
    world = World(webhook, [listed])
    world.whole = {"/v1/predictions/pred1": httpx.Response(200, json=prediction(**MADE, **completed(5)))}
    assert world.recover() == Recovered(1, 1)
    (provider,) = providers_of(webhook)
    assert (provider["seed"], provider["metrics"]) == ("7", {"predict_time": 1.5})


@pytest.mark.parametrize("status", [404, 429, 500])
def test_recipe_that_is_not_told_costs_no_media_and_few_requests(
    webhook: RunningWebhook, prediction: Make, status: int
) -> None:
    listed = [prediction(id=f"p{index}", **completed(5)) for index in range(3)]
    for each in listed:
        del each["logs"]
    world = World(webhook, listed)
    world.whole = {f"/v1/predictions/p{index}": httpx.Response(status) for index in range(3)}
    assert world.recover() == Recovered(3, 3)
    assert [each["input"]["prompt"] for each in providers_of(webhook)] == ["a rabbit"] * 3
    assert len(world.asked) == 1 + (3 if status == 404 else 1)


def test_recovery_records_of_the_input_what_the_installation_wants(webhook: RunningWebhook, prediction: Make) -> None:
    world = World(webhook, [prediction(**MADE, **completed(5))])
    world.input_provenance = "none"
    world.recover()
    (provider,) = providers_of(webhook)
    assert ("input" in provider, provider["seed"]) == (False, "7")
