"""Sessions: a Job's temporary credentials, from STS into a Secret that only its pod uses."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from mediaimport_api.reasons import Reason
from mediaimport_runtime.kubernetes.errors import AlreadyExistsError, NotFoundError, RefusedError

from mediaimport_operator.pods import session as sessions
from mediaimport_operator.reconcile.sts import SessionError

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from mediaimport_operator.observe.resource import Resource
    from mediaimport_operator.pods.session import Credentials
    from mediaimport_operator.reconcile.context import Context


class Sessions:
    """Hands out credentials; none without a role.

    STS comes first: an import that gets no credentials has no Job whose deadline runs. Then the Job, then its Secret:
    the Secret's owner is the Job, whose uid is known only then, so that Kubernetes deletes it with the Job; and a pod
    waits for a Secret that is not there yet. If the operator stops in between, the next reconcile hands them out
    (`Observed.job_without_credentials`).
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def request(self, owner: Resource, job: Object) -> Credentials | None:
        """Return credentials for a Job that runs at once; SessionError.

        A suspended Job gets none: they could expire before it is resumed.
        """
        sts, session = self._context.sts, self._context.settings.session
        if sts is None or session is None or _suspended(job):
            return None
        return await sts.credentials(sessions.request(owner, session, job))

    async def hand_out(self, owner: Resource, job: Object, credentials: Credentials | None) -> None:
        """Create the Job's Secret; SessionError if the API server refuses it. An earlier one is replaced."""
        if credentials is None or _suspended(job):
            return
        secret = sessions.secret(job, credentials)
        try:
            await self._replace(secret)
        except RefusedError as error:
            name = secret["metadata"]["name"]
            message = f"the Secret {name} is refused ({error}): check quotas and the operator's Role"
            raise SessionError(Reason.CREDENTIALS_REFUSED, message) from error
        self._context.sessions[owner.uid] = job["metadata"]["uid"]

    async def _replace(self, secret: Object) -> None:
        cluster, namespace = self._context.cluster, secret["metadata"]["namespace"]
        try:
            await cluster.create_secret(namespace, secret)
        except AlreadyExistsError:
            # The operator may not read it: neither its age nor its owner is known.
            with suppress(NotFoundError):
                await cluster.delete_secret(namespace, secret["metadata"]["name"])
            await cluster.create_secret(namespace, secret)


def _suspended(job: Object) -> bool:
    return bool(job["spec"].get("suspend"))
