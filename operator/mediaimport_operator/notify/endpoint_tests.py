"""Tests of users' endpoints: each is one try at once, and the record of the user's endpoints says how it ended."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, NoReturn

from mediaimport_api.event_records import TestOutcome, TestOutcomes, UserEndpoints
from mediaimport_api.names import ANNOTATION_DELIVERIES, ANNOTATION_RECORD
from mediaimport_runtime.kubernetes.errors import KubernetesError, NotFoundError, named_wait_s

from mediaimport_operator.notify.message import key_of_test, test_message
from mediaimport_operator.notify.outbox import Notice

if TYPE_CHECKING:
    from mediaimport_api.event_records import EndpointTest, UserEndpoint
    from mediaimport_api.status import Delivery
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.notify.message import Key
    from mediaimport_operator.notify.outbox import Outbox

_FIRST_BACKOFF_S = 1.0
_MAX_BACKOFF_S = 60.0
_MAX_ERROR = 200

log = logging.getLogger(__name__)


class EndpointTests:
    """The tests that users have asked for, and the outcomes that are still to be written down."""

    def __init__(self, cluster: Cluster, namespace: str, outbox: Outbox) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._outbox = outbox
        self._outcomes: dict[str, dict[str, TestOutcome]] = {}
        """The newest outcome of each endpoint, by the name of the user's record."""
        self._records: dict[str, str] = {}
        """The record of each endpoint whose test is not over, by the subject of its message."""

    def put(self, lease: Object) -> None:
        """Take a user's record; ValueError for one that is none. Who has the record has its endpoints already."""
        about, name = lease["metadata"]["annotations"], lease["metadata"]["name"]
        record = UserEndpoints.model_validate_json(about[ANNOTATION_RECORD])
        known = TestOutcomes.read(json.loads(about.get(ANNOTATION_DELIVERIES, "{}")))
        outcomes = {each.delivery.endpoint: each for each in known.tests}
        existing = {each.id for each in record.endpoints}
        self._outcomes[name] = {id_: each for id_, each in outcomes.items() if id_ in existing}
        open_tests = {key_of_test(each, 0)[0] for each in existing}
        for subject in [each for each, of in self._records.items() if of == name and each not in open_tests]:
            self._forget(subject)
        for endpoint in record.endpoints:
            if endpoint.test is not None:
                self._tell(name, record.user, endpoint, endpoint.test)

    def remove(self, name: str) -> None:
        """Forget a record that is gone."""
        self._outcomes.pop(name, None)
        for subject in [subject for subject, record in self._records.items() if record == name]:
            self._forget(subject)

    async def run(self) -> NoReturn:
        """Write down the outcomes, for ever."""
        while True:
            await self._write(*await self._outbox.ended_tests.get())

    def _tell(self, record: str, user_id: str, endpoint: UserEndpoint, test: EndpointTest) -> None:
        key, outcome = key_of_test(endpoint.id, test.number), self._outcomes[record].get(endpoint.id)
        if outcome is not None and outcome.number >= test.number:
            self._forget(key[0])
            return
        self._records[key[0]] = record
        left = {endpoint.id: test.at}
        self._outbox.tell(Notice(key, user_id, left, lambda: test_message(endpoint, test, user_id=user_id)))

    def _forget(self, subject: str) -> None:
        self._records.pop(subject, None)
        self._outbox.forget(subject)

    async def _write(self, key: Key, delivery: Delivery, error: str) -> None:
        """Add the outcome to the record, however long the API server is away."""
        backoff_s = _FIRST_BACKOFF_S
        outcome = TestOutcome(number=int(key[1]), delivery=delivery, error=error[:_MAX_ERROR])
        while (record := self._records.get(key[0])) is not None:
            outcomes = self._outcomes[record] | {delivery.endpoint: outcome}
            shown = TestOutcomes(tests=list(outcomes.values())).to_wire()
            annotations = {ANNOTATION_DELIVERIES: json.dumps(shown)}
            try:
                await self._cluster.patch_record(self._namespace, record, {"metadata": {"annotations": annotations}})
            except NotFoundError:
                self.remove(record)
            except KubernetesError as problem:
                log.info("outcome of a test not recorded", extra={"record": record, "error": str(problem)})
                await asyncio.sleep(max(backoff_s, named_wait_s(problem)))
                backoff_s = min(backoff_s * 2, _MAX_BACKOFF_S)
            else:
                self._outcomes[record] = outcomes
                self._forget(key[0])
                return
