"""Failed predictions: endpoints are told of each by its record, which also says who was told.

The webhook writes the record before it answers the generator's callback, and the operator adds the deliveries that have
ended: no restart of either loses an event, and a double has the same id.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from mediaimport_api.event_records import PREDICTION_FAILED, Deliveries, FailedPrediction
from mediaimport_api.names import ANNOTATION_DELIVERIES, ANNOTATION_RECORD
from mediaimport_api.status import MAX_ENDPOINTS
from mediaimport_runtime.kubernetes.errors import KubernetesError, NotFoundError, named_wait_s

from mediaimport_operator.notify.message import key_of_prediction, prediction_message
from mediaimport_operator.notify.outbox import Notice

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.notify.endpoints import Endpoints
    from mediaimport_operator.notify.message import Key
    from mediaimport_operator.notify.outbox import Outbox

_FIRST_BACKOFF_S = 1.0
_MAX_BACKOFF_S = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Record:
    name: str
    failed: FailedPrediction
    recorded: Deliveries


class FailedPredictions:
    """The failed predictions of the last days, and who is still to be told of them."""

    def __init__(self, cluster: Cluster, namespace: str, outbox: Outbox, endpoints: Endpoints) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._outbox = outbox
        self._endpoints = endpoints
        self._records: dict[Key, _Record] = {}
        """All of the last days: a replay tells of those again of which everybody was told."""
        self._keys: dict[str, Key] = {}
        """The key of each record, by its name."""
        endpoints.on_change.append(self._changed)

    def put(self, lease: Object) -> None:
        """Take a record; ValueError for one that is none."""
        about = lease["metadata"]["annotations"]
        record = _Record(
            lease["metadata"]["name"],
            FailedPrediction.model_validate_json(about[ANNOTATION_RECORD]),
            Deliveries.read(json.loads(about.get(ANNOTATION_DELIVERIES, "{}"))),
        )
        self._tell(record)
        key = key_of_prediction(record.failed)
        if self._outbox.ended_of(key):
            # They ended while nobody could write them down.
            self._outbox.ended_predictions.put_nowait(key)

    def remove(self, name: str) -> None:
        """Forget a record that is gone."""
        key = self._keys.pop(name, None)
        if key is not None:
            del self._records[key]
            self._outbox.forget(key[0])

    async def run(self) -> NoReturn:
        """Write down the deliveries that have ended, for ever."""
        while True:
            await self._write(await self._outbox.ended_predictions.get())

    def _tell(self, record: _Record) -> None:
        failed, key = record.failed, key_of_prediction(record.failed)
        self._records[key], self._keys[record.name] = record, key
        left = self._endpoints.of(failed.user).pending(
            failed.user, PREDICTION_FAILED, at=failed.at, deliveries=record.recorded.deliveries
        )
        self._outbox.tell(Notice(key, failed.user, left, lambda: prediction_message(failed)))

    def _changed(self, user_id: str) -> None:
        for each in [each for each in self._records.values() if each.failed.user == user_id]:
            self._tell(each)

    async def _write(self, key: Key) -> None:
        """Add the ended deliveries to the record, however long the API server is away."""
        backoff_s = _FIRST_BACKOFF_S
        while (record := self._records.get(key)) is not None and (ended := self._outbox.ended_of(key)):
            before = [each for each in record.recorded.deliveries if each.endpoint not in ended]
            after = Deliveries(deliveries=[*before, *ended.values()][-MAX_ENDPOINTS:])
            annotations = {ANNOTATION_DELIVERIES: json.dumps(after.to_wire())}
            try:
                await self._cluster.patch_record(
                    self._namespace, record.name, {"metadata": {"annotations": annotations}}
                )
            except NotFoundError:
                self.remove(record.name)
            except KubernetesError as error:
                log.info("delivery not recorded", extra={"record": record.name, "error": str(error)})
                await asyncio.sleep(max(backoff_s, named_wait_s(error)))
                backoff_s = min(backoff_s * 2, _MAX_BACKOFF_S)
            else:
                self._tell(_Record(record.name, record.failed, after))
                return
