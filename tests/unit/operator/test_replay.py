"""Replaying a reconcile from what kubectl prints."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from mediaimport_api import names
from mediaimport_api.reasons import Reason
from mediaimport_operator.replay import ReplayError, main
from mediaimport_runtime.environment import BadSettingError

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

VARIABLES = {"S3_BUCKET_NAME": "bucket", "RETRY_WAIT_SECONDS": "5"}
NOW = "2030-01-01T12:00:00Z"


def kubectl(kind: str, item: Object) -> Object:
    """Return the object as kubectl prints it: with its kind."""
    return {"kind": kind, **item}


def replayed(*documents: object, options: tuple[str, ...] = (), variables: dict[str, str] = VARIABLES) -> Object:
    text = "\n".join(json.dumps(each) for each in documents)
    stdout = io.StringIO()
    main(["--at", NOW, *options], variables, io.StringIO(text), stdout)
    report: Object = json.loads(stdout.getvalue())
    return report


def test_new_import_waits_for_a_slot(build: Build) -> None:
    report = replayed(kubectl("MediaImport", build.mediaimport()))

    assert report["import"] == "media/film"
    assert report["policy"].endswith("plan.attempt_due")
    assert report["slot"] == "WANTED"
    assert report["actions"] == []
    assert report["statusPatch"]["phase"] == "Queued"


def test_import_that_is_given_a_slot_gets_its_job(build: Build) -> None:
    report = replayed(kubectl("MediaImport", build.mediaimport()), options=("--slot",))

    assert report["actions"] == [{"is": "CreateJob", "attempt": 1, "more_memory": False}]


def test_failed_attempt_is_explained_and_repeated_later(build: Build) -> None:
    message = build.failure(Reason.SOURCE_UNAVAILABLE, "the source answered HTTP 503", http_status=503).encode()
    ended = [
        kubectl("Job", build.failed_job()),
        kubectl("Pod", build.ended_pod(exit_code=20, message=message)),
    ]

    report = replayed(kubectl("MediaImport", build.mediaimport()), {"kind": "List", "items": ended})

    assert report["attempt"]["number"] == 1
    assert report["attempt"]["state"]["is"] == "Ended"
    assert report["attempt"]["state"]["reason"] == "SourceUnavailable"
    assert report["attempt"]["state"]["result"]["httpStatus"] == 503
    assert report["statusPatch"]["phase"] == "Waiting"
    assert report["requeueAt"] == "2030-01-01T12:00:05+00:00"


def test_result_that_is_about_another_bucket_does_not_count(build: Build) -> None:
    pod = kubectl("Pod", build.ended_pod(message=build.imported().encode()))
    documents = [kubectl("MediaImport", build.mediaimport()), kubectl("Job", build.complete_job()), pod]

    assert replayed(*documents)["statusPatch"]["phase"] == "Ready"
    report = replayed(*documents, variables=VARIABLES | {"S3_BUCKET_NAME": "other"})
    assert report["attempt"]["state"]["reason"] == "ResultLost"


def test_jobs_and_pods_of_other_imports_are_ignored(build: Build) -> None:
    stranger = build.job()
    stranger["metadata"]["labels"] = stranger["metadata"]["labels"] | {names.LABEL_UID: "another"}

    report = replayed(kubectl("MediaImport", build.mediaimport()), kubectl("Job", stranger))

    assert report["attempt"] == {"number": 0, "state": None}


def deleted(build: Build) -> Object:
    meta = {"deletionTimestamp": NOW, "finalizers": [names.STORED_OBJECTS_FINALIZER]}
    return kubectl("MediaImport", build.mediaimport(meta=meta, deletionPolicy="Delete"))


def of_deletion(build: Build, kind: str, item: Object) -> Object:
    item["metadata"]["labels"] = {names.LABEL_UID: build.uid, names.MANAGED_BY: "mediaimport-deletion"}
    return kubectl(kind, item)


def test_complete_cleanup_job_removes_the_finalizer(build: Build) -> None:
    report = replayed(deleted(build), of_deletion(build, "Job", build.complete_job()))

    assert report["actions"] == [{"is": "RemoveFinalizer", "orphan_reason": None}]


def test_failed_cleanup_job_shows_its_pods_message(build: Build) -> None:
    pod = build.ended_pod(exit_code=14, message="the store refused to delete", container="cleanup")

    report = replayed(deleted(build), of_deletion(build, "Job", build.failed_job()), of_deletion(build, "Pod", pod))

    assert report["actions"] == [{"is": "RemoveFinalizer", "orphan_reason": "the store refused to delete"}]


def test_spec_that_is_not_valid_is_replayed_too(build: Build) -> None:
    report = replayed(kubectl("MediaImport", build.mediaimport(userId="Not A Name")))

    assert report["attempt"] is None
    assert report["statusPatch"]["phase"] == "Failed"


def test_files_are_read_in_place_of_standard_input(build: Build, tmp_path: Path) -> None:
    file = tmp_path / "import.json"
    file.write_text(json.dumps(kubectl("MediaImport", build.mediaimport())))
    stdout = io.StringIO()

    main(["--at", NOW, str(file)], VARIABLES, io.StringIO("not JSON"), stdout)

    assert json.loads(stdout.getvalue())["import"] == "media/film"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 MediaImports"),
        ("{", "not JSON"),
        ("[1]", "no object"),
        ('{"kind": "Job", "metadata": {}}', "0 MediaImports"),
    ],
)
def test_input_that_cannot_be_replayed_is_refused(text: str, message: str) -> None:
    with pytest.raises(ReplayError, match=message):
        main([], VARIABLES, io.StringIO(text), io.StringIO())


def test_time_without_a_zone_is_refused(build: Build) -> None:
    text = json.dumps(kubectl("MediaImport", build.mediaimport()))

    with pytest.raises(ReplayError, match="--at"):
        main(["--at", "2030-01-01"], VARIABLES, io.StringIO(text), io.StringIO())


def test_bucket_has_to_be_named(build: Build) -> None:
    with pytest.raises(BadSettingError, match="S3_BUCKET_NAME"):
        replayed(kubectl("MediaImport", build.mediaimport()), variables={})


def test_command_ends_with_the_sentence_that_says_what_to_give() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "mediaimport_operator.replay"],
        env=VARIABLES, input="{}", capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 1
    assert ran.stderr == "the input has 0 MediaImports; give exactly one, with its Jobs and pods\n"
