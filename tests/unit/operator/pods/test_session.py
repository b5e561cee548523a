from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import session as sessions
from mediaimport_operator.pods.session import Credentials, SessionRequest

if TYPE_CHECKING:
    from mediaimport_operator.settings.session import SessionSettings
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

CREDENTIALS = Credentials(access_key_id="ASIA1", secret_access_key="s3cr3t", session_token="t0k3n")


def request(
    build: Build, settings: SessionSettings | None = None, *, meta: Object | None = None, deadline_s: int = 1800
) -> SessionRequest:
    owner = resource.read(build.mediaimport(meta=meta))
    job = {"metadata": {"name": "film-1"}, "spec": {"activeDeadlineSeconds": deadline_s}}
    return sessions.request(owner, settings or build.session(), job)


def statements(asked: SessionRequest) -> list[dict[str, Any]]:
    document = json.loads(asked.policy)
    assert document["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = document["Statement"]
    return found


def test_policy_allows_the_assets_prefix_and_nothing_next_to_it(build: Build) -> None:
    asked = request(build, build.session(S3_ENDPOINT_URL="https://store.example"))
    assert statements(asked) == [
        {
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
            "Resource": f"arn:aws:s3:::bucket/media/ada/{build.uid}/*",
        },
        {"Effect": "Allow", "Action": "s3:ListBucketMultipartUploads", "Resource": "arn:aws:s3:::bucket"},
    ]


def test_import_of_an_object_of_the_store_may_read_and_remove_that_object(build: Build) -> None:
    key = "incoming/ada/0d5d4b1e-98a7-5f3c-8a57-1a1c7a2c9b54"
    owner = resource.read(build.mediaimport(source={"url": None, "store": {"key": key}}))
    job = {"metadata": {"name": "film-1"}, "spec": {"activeDeadlineSeconds": 1800}}
    asked = sessions.request(owner, build.session(S3_ENDPOINT_URL="https://store.example"), job)
    assert statements(asked)[1] == {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:DeleteObject"],
        "Resource": f"arn:aws:s3:::bucket/{key}",
    }


def test_cleanup_may_delete_what_an_import_may_only_write(build: Build) -> None:
    objects, *_ = statements(request(build, meta={"deletionTimestamp": "2030-01-01T12:00:00Z"}))
    assert objects["Action"] == ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]


def test_policy_names_the_bucket_in_the_roles_partition(build: Build) -> None:
    objects, uploads, _ = statements(request(build, build.session("arn:aws-us-gov:iam::111122223333:role/importer")))
    assert objects["Resource"].startswith("arn:aws-us-gov:s3:::bucket/")
    assert uploads["Resource"] == "arn:aws-us-gov:s3:::bucket"


def test_on_aws_the_session_may_use_the_buckets_kms_key_through_s3_alone(build: Build) -> None:
    *_, keys = statements(request(build))
    assert keys["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert keys["Condition"] == {"StringLike": {"kms:ViaService": "s3.*"}}


def test_policy_fits_into_what_sts_takes(build: Build) -> None:
    assert len(request(build).policy) < 2048


@pytest.mark.parametrize(("deadline_s", "duration_s"), [(10, 900), (600, 900), (1800, 2100), (43_200, 43_500)])
def test_session_outlives_the_deadline_and_is_as_long_as_sts_wants(
    build: Build, deadline_s: int, duration_s: int
) -> None:
    assert request(build, deadline_s=deadline_s).duration_s == duration_s


def test_session_is_named_after_the_job(build: Build) -> None:
    assert request(build).name == "film-1"


def test_secret_goes_with_its_job(build: Build) -> None:
    job = build.job()
    made = sessions.secret(job, CREDENTIALS)
    assert made["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"], "uid": job["metadata"]["uid"]}
    ]
    assert made["metadata"]["namespace"] == job["metadata"]["namespace"]


def test_secret_holds_what_an_importer_reads(build: Build) -> None:
    assert sessions.secret(build.job(), CREDENTIALS)["stringData"] == {
        "S3_ACCESS_KEY_ID": "ASIA1",
        "S3_SECRET_ACCESS_KEY": "s3cr3t",
        "S3_SESSION_TOKEN": "t0k3n",
    }


def test_repr_of_credentials_shows_none_of_them() -> None:
    assert repr(CREDENTIALS) == "Credentials()"
