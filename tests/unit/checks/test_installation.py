from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.stub import ANY, Stubber
from mediaimport_checks import film, webhook
from mediaimport_checks.checklist import CheckError, LeftOut, run_all
from mediaimport_checks.cluster import Cluster
from mediaimport_checks.installation import Installation
from mediaimport_checks.settings import Settings
from mediaimport_checks.store import Store
from mediaimport_checks.webhook import Caller
from mediaimport_runtime.environment import Environment

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]
ASSET = "6f0e6b58-2d0c-4a58-9d1c-5d0b8f6e2a41"
READY: Object = {
    "phase": "Ready",
    "asset": {"key": f"media/default/{ASSET}/video.mp4", "sha256": hashlib.sha256(b"film").hexdigest()},
    "media": {"durationMs": film.DURATION_MS, "width": film.WIDTH, "height": film.HEIGHT},
    "thumbnail": {"key": f"media/default/{ASSET}/thumbnail.jpg", "width": 128, "height": 72, "sizeBytes": 2000},
}


class Api:
    """Client of an API server whose imports have `status` at once."""

    def __init__(self, status: Object, *, ready_replicas: int = 1) -> None:
        self.status = status
        self.ready_replicas = ready_replicas
        self.created: list[Object] = []
        self.deleted: list[str] = []

    async def get(self, path: str) -> Object:
        if "/deployments/" in path:
            status = {"observedGeneration": 2, "readyReplicas": self.ready_replicas}
            return {"metadata": {"generation": 2}, "status": status}
        return {"status": self.status}

    async def create(self, _: str, body: Object) -> Object:
        self.created.append(body)
        return body

    async def delete(self, path: str) -> Object:
        self.deleted.append(path)
        return {}


def store(**variables: str) -> tuple[Store, Stubber]:
    settings = settings_of(**variables).store
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
    return Store(client, settings), Stubber(client)


def settings_of(**variables: str) -> Settings:
    given = {"NAMESPACE": "media", "OPERATOR_DEPLOYMENT": "mediaimport-operator", "S3_BUCKET_NAME": "bucket"}
    return Settings.read(Environment(given | {"IMPORT_TIMEOUT_SECONDS": "1"} | variables))


def installation(api: Api, tmp_path: Path, *, caller: Caller | None = None) -> Installation:
    (tmp_path / "film.mp4").write_bytes(b"film")
    (tmp_path / "tools.json").write_text('{"ffmpeg": "7.1", "ffprobe": "7.1"}')
    return Installation(
        settings=settings_of(FILM_DIRECTORY=str(tmp_path)),
        cluster=Cluster(api, asyncio.run),
        store=store()[0],
        webhook=None,
        caller=caller or Caller("default", {}),
        asset_id=ASSET,
    )


def test_import_of_the_film_expects_its_own_bytes(tmp_path: Path) -> None:
    api = Api(READY)
    installation(api, tmp_path, caller=Caller("alice", {})).import_succeeds()
    (created,) = api.created
    assert created["spec"]["expected"] == {"sha256": hashlib.sha256(b"film").hexdigest()}
    assert created["spec"]["userId"] == "alice"
    assert created["spec"]["source"]["url"] == "data:video/mp4;base64,ZmlsbQ=="


def test_failed_import_is_reported_with_its_reason(tmp_path: Path) -> None:
    failed = {"phase": "Failed", "error": {"reason": "StoreDenied", "message": "the store refused"}}
    with pytest.raises(CheckError, match="StoreDenied: the store refused"):
        installation(Api(failed), tmp_path).import_succeeds()


def test_import_that_waits_for_the_store_is_reported_at_once(tmp_path: Path) -> None:
    waiting = {"phase": "Waiting", "error": {"reason": "StoreDenied", "message": "the store refused"}}
    with pytest.raises(CheckError, match="StoreDenied: the store refused"):
        installation(Api(waiting), tmp_path).import_succeeds()


def test_import_without_an_end_is_reported_with_phase_and_condition(tmp_path: Path) -> None:
    condition = {"type": "Ready", "reason": "ImagePullFailed", "message": "no such image"}
    waiting = {"phase": "Importing", "conditions": [condition]}
    with pytest.raises(CheckError, match="still Importing after 1 s: ImagePullFailed: no such image"):
        installation(Api(waiting), tmp_path).import_succeeds()


@pytest.mark.parametrize(
    ("media", "measured"),
    [
        ({"durationMs": 900}, "lasts 2000 ms"),
        ({"width": 72, "height": 128}, "is 128 x 72"),
        ({"durationMs": None}, "duration None ms"),
    ],
)
def test_wrong_measures_are_found(tmp_path: Path, media: Object, measured: str) -> None:
    checked = installation(Api(READY), tmp_path)
    checked.status = READY | {"media": READY["media"] | media}
    with pytest.raises(CheckError, match=measured):
        checked.media_is_measured()


def test_checks_of_a_missing_import_are_not_looked_at(tmp_path: Path) -> None:
    checked = installation(Api({}), tmp_path)
    for check in (checked.media_is_measured, checked.thumbnail_is_stored):
        with pytest.raises(CheckError, match="not looked at"):
            check()


def test_operator_without_a_ready_pod_fails(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="no ready pod"):
        installation(Api(READY, ready_replicas=0), tmp_path).operator_is_ready()


def test_missing_ffmpeg_is_reported_with_its_error(tmp_path: Path) -> None:
    checked = installation(Api(READY), tmp_path)
    (tmp_path / "tools.json").write_text('{"error": "No such file or directory: ffmpeg"}')
    with pytest.raises(CheckError, match="No such file or directory: ffmpeg"):
        checked.tools_are_there()


def test_disabled_webhook_and_hidden_tokens_leave_checks_out(tmp_path: Path) -> None:
    checked = installation(Api(READY), tmp_path, caller=Caller("default", None))
    checked.status = READY
    assert isinstance(checked.webhook_is_ready(), LeftOut)
    assert isinstance(checked.presigned_url_works("url"), LeftOut)
    checked.webhook = webhook.connect("http://webhook")
    assert isinstance(checked.presigned_url_works("url"), LeftOut)


def test_webhook_whose_watch_lags_behind_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = installation(Api(READY), tmp_path)
    checked.status = READY
    answers = [httpx.Response(404), httpx.Response(200, json={}), httpx.Response(200, json={"url": "https://store/a"})]
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    checked.webhook = webhook.Webhook(httpx.Client(base_url="http://webhook", transport=transport))
    monkeypatch.setattr(webhook, "fetch", lambda *_: (4, READY["asset"]["sha256"]))
    assert checked.presigned_url_works("url") == "4 bytes, byte for byte"
    assert answers == []


def test_cleaning_deletes_the_import_and_all_its_objects(tmp_path: Path) -> None:
    api = Api(READY)
    checked = installation(api, tmp_path)
    checked.status = READY
    checked.store, stub = store()
    names = ["helm-test", "video.mp4", "thumbnail.jpg", "asset.json"]
    for name in names:
        stub.add_response("delete_object", {}, {"Bucket": "bucket", "Key": f"media/default/{ASSET}/{name}"})
    with stub:
        assert checked.clean_up() == "4 objects and the test import are deleted"
    stub.assert_no_pending_responses()
    assert api.deleted == [f"/apis/mediaimport.dev/v1alpha1/namespaces/media/mediaimports/{checked.import_name}"]


def test_keys_without_delete_leave_the_objects_and_report_it() -> None:
    kept, stub = store()
    stub.add_client_error("delete_object", "AccessDenied", "no")
    with stub:
        outcome = kept.delete(["media/a"])
    assert isinstance(outcome, LeftOut)
    assert "media/a" in outcome.reason


def test_store_that_refuses_the_second_writer_honours_conditional_writes() -> None:
    good, stub = store()
    stub.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    with stub:
        assert good.write_again("key") == "If-None-Match is refused where an object is"


def test_store_that_overwrites_is_found_before_a_file_is_lost() -> None:
    bad, stub = store()
    stub.add_response("put_object", {}, {"Bucket": "bucket", "Key": "key", "Body": ANY, "IfNoneMatch": "*"})
    with stub, pytest.raises(CheckError, match="overwritten"):
        bad.write_again("key")


def test_store_without_conditional_writes_by_choice_is_left_out() -> None:
    assert isinstance(store(S3_CONDITIONAL_WRITES="false")[0].write_again("key"), LeftOut)


@pytest.mark.parametrize(("code", "remedy"), [("NoSuchBucket", "create the bucket"), ("AccessDenied", "policy allows")])
def test_refused_write_has_a_remedy(code: str, remedy: str) -> None:
    refused, stub = store()
    stub.add_client_error("put_object", code)
    with stub, pytest.raises(CheckError) as failure:
        refused.write("key")
    assert remedy in failure.value.remedy


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (
            [{"sha256": "aa", "user": "bob"}, {"token": "t", "user": "alice"}],
            Caller("alice", {"authorization": "Bearer t"}),
        ),
        ([{"sha256": "aa", "user": "bob"}], Caller("default", None)),
    ],
)
def test_first_token_in_the_clear_is_the_caller(tmp_path: Path, tokens: list[Object], expected: Caller) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps(tokens))
    assert webhook.caller(file, anonymous=False, default_user_id="default") == expected


def test_without_authentication_everyone_is_the_default_user(tmp_path: Path) -> None:
    assert webhook.caller(tmp_path / "none", anonymous=True, default_user_id="default") == Caller("default", {})


def test_film_is_short_enough_for_a_data_uri_and_the_tools_have_versions(tmp_path: Path) -> None:
    tools = film.make(tmp_path)
    assert tools == film.read_tools(tmp_path)
    assert (tools.error, tools.ffmpeg != "", tools.ffprobe != "") == ("", True, True)
    assert 1000 < len(film.read_film(tmp_path)) < 48 * 1024


def test_film_without_ffmpeg_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ffmpeg" in film.make(tmp_path).error


def test_one_failure_does_not_suppress_the_other_checks(tmp_path: Path) -> None:
    checked = installation(Api(READY), tmp_path)
    checked.store, stub = store()
    stub.add_response("put_object", {})
    stub.add_client_error("get_object", "NoSuchKey")
    stub.add_client_error("put_object", "PreconditionFailed")
    lines: list[str] = []
    with stub:
        assert not run_all(checked.checks, lines.append)
    assert [line[0] for line in lines] == ["✓", "-", "✓", "✗", "✓", "✓", "✓", "✓", "-", "-"]
