"""Makes true what a pass decides about finalizer and stored objects. Every step can be repeated."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaimport_api import names
from mediaimport_runtime.kubernetes.errors import ConflictError, NotFoundError

from mediaimport_operator.observe import resource
from mediaimport_operator.pods import deletion_job
from mediaimport_operator.reconcile import events

if TYPE_CHECKING:
    from mediaimport_operator.cluster import Cluster
    from mediaimport_operator.decide.observed import Observed
    from mediaimport_operator.observe.cache import World
    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.reconcile.metrics import Metrics
    from mediaimport_operator.settings.operator import Settings

log = logging.getLogger(__name__)


class Custody:
    """Holds resources until their objects are gone."""

    def __init__(self, *, cluster: Cluster, world: World, metrics: Metrics, settings: Settings) -> None:
        self._cluster = cluster
        self._world = world
        self._metrics = metrics
        self._settings = settings

    async def hold(self, observed: Observed, *, on: bool) -> Observed:
        """Put our finalizer on, or take it off; return the resource as it is then."""
        owner = observed.resource
        others = [each for each in owner.finalizers if each != names.STORED_OBJECTS_FINALIZER]
        wanted = [*others, names.STORED_OBJECTS_FINALIZER] if on else others
        patch = {"metadata": {"resourceVersion": owner.version, "finalizers": wanted}}
        written = await self._cluster.patch_import(owner.namespace, owner.name, patch)
        self._world.imports.see(written)
        return replace(observed, resource=resource.read(written))

    async def create_eraser(self, owner: Resource) -> None:
        """Create the Job that deletes the objects; RefusedError."""
        wanted = deletion_job.job(owner, self._settings)
        try:
            await self._cluster.create_job(self._settings.operator_namespace, wanted)
        except ConflictError:
            found = await self._cluster.get_job(self._settings.operator_namespace, wanted["metadata"]["name"])
            if not deletion_job.is_ours(found, owner):
                raise
        log.info("deletion job created", extra={"import": owner.name, "namespace": owner.namespace})

    async def let_go(self, observed: Observed, left: str | None) -> None:
        """Take our finalizer off; tell when the objects stay, while there is something to tell it of."""
        owner = observed.resource
        if left is not None:
            self._metrics.objects_left()
            log.warning("stored objects left", extra={"import": owner.name, "asset": owner.asset_id, "error": left})
            told = events.objects_left(owner, left, now=observed.now)
            await events.post(self._cluster, owner.namespace, told)
        try:
            await self.hold(observed, on=False)
        except NotFoundError:
            log.debug("import already gone", extra={"import": owner.name})
        if left is None:
            await self._delete_eraser(owner)

    async def _delete_eraser(self, owner: Resource) -> None:
        namespace, name = self._settings.operator_namespace, deletion_job.name(owner)
        try:
            found = await self._cluster.get_job(namespace, name)
            if deletion_job.is_ours(found, owner):
                await self._cluster.delete_job(namespace, name, uid=found["metadata"]["uid"])
        except (NotFoundError, ConflictError):
            log.debug("deletion job already gone", extra={"job": name})
