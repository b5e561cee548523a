"""Credentials of Jobs, from an STS that answers as it is told to an API server in memory."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from mediaimport_api import names
from mediaimport_operator.reconcile.sts import Sts
from mediaimport_operator.settings.operator import Caps
from mediaimport_runtime.kubernetes.errors import ForbiddenError

from tests.unit.operator.reconcile.test_worker import Operator, begin, job_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build, FakeCluster

pytestmark = pytest.mark.anyio

DENIED = ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")


class Issuer:
    """An STS that numbers what it gives; it refuses the sessions whose name begins so."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.refused: tuple[str, ...] = ()

    def assume_role(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's own
        self.requests.append(arguments)
        if str(arguments["RoleSessionName"]).startswith(self.refused):
            raise DENIED
        number = len(self.requests)
        return {"Credentials": {"AccessKeyId": f"ASIA{number}", "SecretAccessKey": "s3cr3t", "SessionToken": "t0k3n"}}


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def operator(build: Build, cluster: FakeCluster, issuer: Issuer) -> AsyncIterator[Operator]:
    operator = Operator(build, cluster, build.now, sts=Sts(issuer))
    yield operator
    await operator.context.followers.close()


def successor(operator: Operator) -> Operator:
    """Return an operator that has started after that one, and remembers nothing."""
    return Operator(operator.build, operator.cluster, operator.now, sts=operator.sts, kueue=operator.kueue)


async def resynced(operator: Operator) -> None:
    await operator.resync.first()
    await operator.settle()


def key_of(operator: Operator, job: str) -> str | None:
    """Return the access key in the Secret of a Job."""
    secret: Object = operator.cluster.objects["secrets"].get(f"{job}-s3", {"stringData": {}})
    key: str | None = secret["stringData"].get("S3_ACCESS_KEY_ID")
    return key


def ready(operator: Operator, name: str = "film") -> tuple[str, str]:
    """Return reason and message of an import's condition Ready."""
    conditions = operator.cluster.objects["imports"][name]["status"]["conditions"]
    (condition,) = [each for each in conditions if each["type"] == "Ready"]
    return condition["reason"], condition["message"]


async def test_secret_follows_its_job_and_comes_before_the_status(operator: Operator) -> None:
    await begin(operator)
    job = job_name(operator)
    assert operator.cluster.writes == [f"create {job}", f"secret {job}-s3", "status Pending"]
    assert operator.cluster.objects["secrets"][f"{job}-s3"]["metadata"]["ownerReferences"][0]["uid"] == f"uid-{job}"


async def test_pod_reads_its_own_secret_and_not_the_stores(operator: Operator) -> None:
    await begin(operator)
    job = job_name(operator)
    (importer,) = operator.cluster.objects["jobs"][job]["spec"]["template"]["spec"]["containers"]
    assert importer["envFrom"] == [{"configMapRef": {"name": "importer"}}, {"secretRef": {"name": f"{job}-s3"}}]


async def test_credentials_are_asked_for_the_job_its_deadline_and_its_prefix(
    operator: Operator, issuer: Issuer
) -> None:
    await begin(operator, limits={"deadlineSeconds": 600})
    (request,) = issuer.requests
    (objects, *_) = json.loads(request["Policy"])["Statement"]
    assert (request["RoleSessionName"], request["DurationSeconds"]) == (job_name(operator), 900)
    assert objects["Resource"] == f"arn:aws:s3:::bucket/{operator.build.keys().prefix}*"


async def test_credentials_are_handed_out_once(operator: Operator, issuer: Issuer) -> None:
    await begin(operator)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert len(issuer.requests) == 1


async def test_refused_import_has_no_job_and_says_what_to_do(operator: Operator, issuer: Issuer) -> None:
    issuer.refused = ("film",)
    await begin(operator)
    reason, message = ready(operator)
    assert reason == "CredentialsRefused"
    assert "check s3.sessionRole and its trust policy" in message
    assert operator.cluster.objects["jobs"] == {}
    assert operator.slots.in_flight == 0


async def test_refused_import_holds_up_no_other_one(operator: Operator, issuer: Issuer) -> None:
    issuer.refused = ("film",)
    operator.slots.caps = Caps(1)
    other = operator.build.mediaimport(meta={"name": "other", "uid": "9d0cfa6e-2f2f-4b60-9a2f-0a3b5a2f7d11"})
    operator.cluster.put("imports", other)
    await begin(operator)
    assert ready(operator)[0] == "CredentialsRefused"
    assert ready(operator, "other")[0] == "Starting"


async def test_refused_import_asks_again_with_backoff_until_it_has_its_job(operator: Operator, issuer: Issuer) -> None:
    issuer.refused = ("film",)
    await begin(operator)
    for requests in (1, 2, 2, 3):
        operator.now += timedelta(seconds=1)
        operator.queue.add(operator.build.uid)
        await operator.settle()
        assert len(issuer.requests) == requests
    issuer.refused = ()
    operator.now += timedelta(seconds=60)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert key_of(operator, job_name(operator)) == "ASIA4"


async def test_operator_that_was_killed_before_the_secret_is_followed_by_one_that_creates_it(
    operator: Operator,
) -> None:
    await begin(operator)
    operator.cluster.objects["secrets"].clear()
    await resynced(successor(operator))
    assert key_of(operator, job_name(operator)) == "ASIA2"


async def test_secret_of_an_earlier_start_is_replaced(operator: Operator) -> None:
    await begin(operator)
    await resynced(successor(operator))
    assert key_of(operator, job_name(operator)) == "ASIA2"


async def test_importer_that_runs_gets_no_second_secret(operator: Operator, issuer: Issuer) -> None:
    await begin(operator)
    operator.cluster.put("pods", operator.build.running_pod())
    await resynced(successor(operator))
    assert len(issuer.requests) == 1


async def test_secret_that_is_refused_is_created_later_for_the_same_job(operator: Operator) -> None:
    operator.cluster.refusing_secrets = ForbiddenError("exceeded quota: secrets=10", status=403)
    await begin(operator)
    reason, message = ready(operator)
    assert reason == "CredentialsRefused"
    assert "exceeded quota: secrets=10" in message
    operator.cluster.refusing_secrets = None
    operator.now += timedelta(seconds=60)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert ready(operator)[0] == "Starting"
    assert key_of(operator, job_name(operator)) is not None
    assert list(operator.cluster.objects["jobs"]) == [job_name(operator)]


async def test_suspended_job_gets_credentials_whenever_it_is_resumed(
    build: Build, cluster: FakeCluster, issuer: Issuer
) -> None:
    operator = Operator(build, cluster, build.now, sts=Sts(issuer), kueue=True)
    await begin(operator, meta={"labels": {names.LABEL_QUEUE: "media"}})
    job = job_name(operator)
    assert (key_of(operator, job), issuer.requests) == (None, [])
    for key in ("ASIA1", "ASIA2"):
        await suspended(operator, value=False)
        assert key_of(operator, job) == key
        await suspended(operator, value=True)
    await operator.context.followers.close()


async def suspended(operator: Operator, *, value: bool) -> None:
    job = operator.cluster.objects["jobs"][job_name(operator)]
    operator.cluster.put("jobs", job | {"spec": job["spec"] | {"suspend": value}})
    await operator.resync.once()
    await operator.settle()


async def test_cleanup_job_gets_credentials_that_may_delete(operator: Operator, issuer: Issuer) -> None:
    await delete(operator)
    (job,) = operator.cluster.objects["jobs"]
    assert job.startswith("delete-film")
    assert key_of(operator, job) == "ASIA1"
    (objects, *_) = json.loads(issuer.requests[0]["Policy"])["Statement"]
    assert "s3:DeleteObject" in objects["Action"]


async def test_cleanup_job_of_a_killed_operator_gets_credentials_of_its_successor(operator: Operator) -> None:
    await delete(operator)
    operator.cluster.objects["secrets"].clear()
    # No resync: this API server does not select by labels, and would list the Job as an import's.
    operator.context.sessions.clear()
    operator.queue.add(operator.build.uid)
    await operator.settle()
    (job,) = operator.cluster.objects["jobs"]
    assert key_of(operator, job) == "ASIA2"


async def test_refused_cleanup_is_told_and_repeated(operator: Operator, issuer: Issuer) -> None:
    issuer.refused = ("delete-film",)
    await delete(operator)
    assert "its stored objects cannot be deleted yet: STS refused" in ready(operator)[1]
    issuer.refused = ()
    operator.now += timedelta(seconds=60)
    operator.queue.add(operator.build.uid)
    await operator.settle()
    assert len(operator.cluster.objects["secrets"]) == 1


async def delete(operator: Operator) -> None:
    """Let the operator see a resource that is being deleted, with its objects."""
    meta = {
        "deletionTimestamp": operator.now.isoformat(),
        "finalizers": [names.STORED_OBJECTS_FINALIZER],
    }
    await begin(operator, meta=meta, deletionPolicy="Delete")
