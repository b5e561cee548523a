"""Attempts with the temporary credentials that a real STS gives the operator for them."""

from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import source_fingerprint
from mediaimport_api.task import Deletion
from mediaimport_importer.deletion import Outcome, delete_asset
from mediaimport_importer.store.bucket import connect
from mediaimport_operator.pods import session as sessions
from mediaimport_operator.pods.session import SessionRequest
from mediaimport_operator.reconcile import sts
from mediaimport_operator.reconcile.sts import SessionError
from mediaimport_operator.settings.session import SessionSettings
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from tests.support.import_runner import Imports
from tests.support.loopback.seaweed import MAX_SESSION_S, ROLE, running_seaweed
from tests.support.loopback.store import BUCKET, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mediaimport_api.task import Task

    from tests.support.loopback.certificate import Certificate
    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Sources


@dataclass(frozen=True)
class Sessions:
    """The operator's side: credentials for a task, as its Secret would hold them."""

    store: Store

    def of(self, task: Task, *, actions: tuple[str, ...] = sessions.IMPORT, **changes: str) -> dict[str, str]:
        """Return the variables of the task's Secret; SessionError."""
        variables = self.store.variables() | {"S3_SESSION_ROLE": ROLE} | changes
        session = SessionSettings.read(Environment(variables), deadline_s=1800)
        assert session is not None
        job = {"metadata": {"name": "clip-1", "namespace": "media", "uid": "1", "labels": {}}}
        keys = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id)
        policy = sessions.policy(session, prefix=keys.prefix, actions=actions)
        asked = SessionRequest(role=session.role, name="clip-1", policy=policy, deadline_s=task.deadline_seconds)
        given = asyncio.run(sts.connect(session).credentials(asked))
        variables = sessions.secret(job, given)["stringData"]
        assert isinstance(variables, dict)
        return variables


@pytest.fixture(scope="module", params=["TLS", "plain"])
def session_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Store]:
    """A store with an STS: imports go by one PUT with TLS, by multipart uploads without."""
    tls = certificate if request.param == "TLS" else None
    with running_seaweed(tmp_path_factory.mktemp("store"), certificate=tls, roles=True) as store:
        yield store


@pytest.fixture
def sessions_of(session_store: Store) -> Sessions:
    return Sessions(session_store)


@pytest.fixture
def attempts(session_store: Store, sources: Sources, prober: RunningProber, tmp_path: Path) -> Imports:
    return Imports(session_store, sources, prober, tmp_path)


def sha256_of(store: Store, key: str) -> str:
    """Return the SHA-256 that the store itself vouches for, in hex."""
    head = store.client().head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    return base64.b64decode(head["ChecksumSHA256"]).hex()


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_attempt_stores_its_asset_with_its_own_credentials(
    attempts: Imports, sessions_of: Sessions, studio: Studio
) -> None:
    task = attempts.task(attempts.sources.file(studio.video()))
    result = attempts.run(task, **sessions_of.of(task))
    assert result.reason is Reason.IMPORTED, result.message
    assert set(attempts.stored(task)) == {"video.mp4", "thumbnail.jpg", "asset.json"}
    assert attempts.left_over() == []
    if attempts.store.certificate is not None:
        assert result.asset is not None
        assert sha256_of(attempts.store, result.asset.key) == result.asset.sha256


def test_no_log_line_has_a_credential(
    attempts: Imports, sessions_of: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given = sessions_of.of(attempts.task("http://127.0.0.1/"))
    assert len(given) == 3
    assert [name for name, value in given.items() if value in caplog.text] == []


def test_attempt_with_the_credentials_of_another_import_is_refused(
    attempts: Imports, sessions_of: Sessions, studio: Studio
) -> None:
    url = attempts.sources.file(studio.video())
    mine, others = attempts.task(url), attempts.task(url)
    result = attempts.run(others, **sessions_of.of(mine))
    assert result.reason is Reason.STORE_DENIED
    assert attempts.stored(others) == {}
    assert attempts.left_over() == []


def test_failed_attempt_leaves_nothing_behind_with_its_own_credentials(
    attempts: Imports, sessions_of: Sessions, studio: Studio
) -> None:
    task = attempts.task(attempts.sources.file(studio.video()), expected={"sha256": "0" * 64})
    assert attempts.run(task, **sessions_of.of(task)).reason is Reason.CHECKSUM_MISMATCH
    assert attempts.stored(task) == {}
    assert attempts.left_over() == []


def test_another_resources_asset_is_not_overwritten(attempts: Imports, sessions_of: Sessions, studio: Studio) -> None:
    url = attempts.sources.file(studio.video())
    first = attempts.task(url)
    second = attempts.task(url, asset_id=first.asset_id, name="other")
    given = sessions_of.of(first)
    assert attempts.run(first, **given).reason is Reason.IMPORTED
    assert attempts.run(second, **given).reason is Reason.ASSET_TAKEN


def test_prefix_ends_at_its_slash(attempts: Imports, sessions_of: Sessions) -> None:
    task = attempts.task("http://127.0.0.1/")
    client = attempts.store.client(**dict[str, Any](sessions_of.of(task)))
    with pytest.raises(ClientError) as raised:
        client.put_object(Bucket=BUCKET, Key=f"media/{task.spec.user_id}/{task.asset_id}0/video.mp4", Body=b"x")
    assert code(raised) == "AccessDenied"


def test_conditional_write_finds_the_object(attempts: Imports, sessions_of: Sessions) -> None:
    task = attempts.task("http://127.0.0.1/")
    client = attempts.store.client(**dict[str, Any](sessions_of.of(task)))
    key = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id).sidecar
    client.put_object(Bucket=BUCKET, Key=key, Body=b"{}", IfNoneMatch="*")
    with pytest.raises(ClientError) as raised:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"{}", IfNoneMatch="*")
    assert code(raised) == "PreconditionFailed"


def test_credentials_neither_list_nor_delete(attempts: Imports, sessions_of: Sessions) -> None:
    task = attempts.task("http://127.0.0.1/")
    keys = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id)
    client = attempts.store.client(**dict[str, Any](sessions_of.of(task)))
    client.put_object(Bucket=BUCKET, Key=keys.sidecar, Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket=BUCKET, Key=keys.sidecar)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_objects_v2(Bucket=BUCKET, Prefix=keys.prefix)


def test_cleanup_deletes_an_asset_with_its_own_credentials(
    attempts: Imports, sessions_of: Sessions, studio: Studio
) -> None:
    task = attempts.task(attempts.sources.file(studio.video()))
    assert attempts.run(task).reason is Reason.IMPORTED
    variables = attempts.store.variables() | sessions_of.of(task, actions=sessions.CLEANUP)
    bucket = connect(StoreSettings.read(Environment(variables)))
    deletion = Deletion(
        owner=task.owner,
        user_id=task.spec.user_id,
        asset_id=task.asset_id,
        source_fingerprint=source_fingerprint(task.spec.source.location),
    )
    assert delete_asset(bucket, deletion, now=datetime.now(UTC)).outcome is Outcome.DELETED
    assert set(attempts.stored(task)) == {"asset.json"}


def test_session_longer_than_the_roles_longest_says_so(attempts: Imports, sessions_of: Sessions) -> None:
    task = attempts.task("http://127.0.0.1/", deadline_seconds=MAX_SESSION_S)
    with pytest.raises(SessionError, match=f"a deadline of {MAX_SESSION_S} s .*InvalidParameterValue") as raised:
        sessions_of.of(task)
    assert raised.value.reason is Reason.CREDENTIALS_REFUSED


@pytest.mark.parametrize(
    "changes",
    [
        {"S3_SESSION_ROLE": "arn:aws:iam::000000000000:role/unknown"},
        {"S3_ACCESS_KEY_ID": "unknown"},
        {"S3_SECRET_ACCESS_KEY": "wrong"},
    ],
)
def test_refused_role_or_key_says_what_to_check(
    attempts: Imports, sessions_of: Sessions, changes: dict[str, str]
) -> None:
    with pytest.raises(SessionError, match=r"check s3\.sessionRole and its trust policy") as raised:
        sessions_of.of(attempts.task("http://127.0.0.1/"), **dict[str, Any](changes))
    assert raised.value.reason is Reason.CREDENTIALS_REFUSED
