"""Whether the store honours conditional writes: asked of importers until one says yes, told aloud if it does not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_api.status import Phase

from mediaimport_operator.decide.attempt import Ended
from mediaimport_operator.reconcile import events

if TYPE_CHECKING:
    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.decide.observed import Observed

log = logging.getLogger(__name__)


class StoreCheck:
    """What is known of the store since this operator's start. The operator itself has no keys to ask it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.wanted = True

    async def learn(self, observed: Observed) -> None:
        """Take in what an attempt that has just ended found."""
        news = observed.resource.spec is not None and observed.resource.status.phase is not Phase.READY
        state = observed.history.state if news else None
        result = state.result if isinstance(state, Ended) else None
        if result is None or result.conditional_writes is None:
            return
        self.wanted = not result.conditional_writes
        if self.wanted:
            owner, facts = observed.resource, Reason.STORE_OVERWRITES.facts
            log.error(facts.sentence, extra={"import": owner.name, "remedy": facts.remedy})
            await events.post(self._cluster, owner.namespace, events.store_overwrites(owner, now=observed.now))
