from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from mediaimport_api import names
from mediaimport_api.sidecar import source_fingerprint
from mediaimport_api.status import Status
from mediaimport_api.task import Deletion
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import cleanup_job, import_job

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def job_of(build: Build) -> Object:
    return cleanup_job.job(resource.read(build.mediaimport()), build.settings(operator_namespace="operators"))


def test_job_has_no_owner_and_is_in_the_operators_namespace(build: Build) -> None:
    meta = job_of(build)["metadata"]
    assert meta["namespace"] == "operators"
    assert "ownerReferences" not in meta
    assert meta["name"] == cleanup_job.name(resource.read(build.mediaimport()))


def test_watches_and_resyncs_of_import_jobs_do_not_select_it(build: Build) -> None:
    labels = job_of(build)["metadata"]["labels"]
    selected = dict(each.split("=") for each in import_job.selector(build.settings().instance).split(","))
    assert not selected.items() <= labels.items()


def test_task_names_the_asset_and_not_the_url(build: Build) -> None:
    container = job_of(build)["spec"]["template"]["spec"]["containers"][0]
    task = Deletion.model_validate_json(
        {each["name"]: each["value"] for each in container["env"]}["MEDIAIMPORT_DELETION"]
    )
    assert (task.owner.name, task.user_id, task.asset_id) == ("film", "ada", build.uid)
    assert "signature" not in json.dumps(container)


def test_recreated_resource_names_the_source_by_its_fingerprint(build: Build) -> None:
    item, url = build.mediaimport(), "https://gone.invalid/"
    for annotated, expected in (
        ("ab" * 32, "ab" * 32),
        ("no hash", source_fingerprint(url)),
        ("", source_fingerprint(url)),
    ):
        item["metadata"]["annotations"] = {"mediaimport.dev/source-fingerprint": annotated}
        item["spec"]["source"] = {"url": url}
        assert cleanup_job.cleanup_task(resource.read(item)).source_fingerprint == expected


def test_its_pod_is_as_confined_as_an_importers(build: Build) -> None:
    spec = job_of(build)["spec"]["template"]["spec"]
    importers = import_job.job(resource.read(build.mediaimport()), build.settings(), attempt=1)["spec"]["template"][
        "spec"
    ]
    for name in ("automountServiceAccountToken", "enableServiceLinks", "securityContext"):
        assert spec[name] == importers[name]
    assert spec["containers"][0]["securityContext"] == importers["containers"][0]["securityContext"]
    assert "initContainers" not in spec


def test_last_error_is_that_of_the_newest_pod_that_failed(build: Build) -> None:
    item = build.job(failed=2)
    owners = [{"uid": item["metadata"]["uid"], "controller": True}]

    def failed_pod(message: str, minute: int, **meta: object) -> Object:
        at = {"creationTimestamp": f"2030-01-01T12:0{minute}:00Z", "ownerReferences": owners}
        return build.ended_pod(exit_code=1, message=message, container="cleanup", meta=at | meta)

    pods = [
        failed_pod("newer https://s3.example/?sig=x", 1),
        failed_pod("older", 0),
        failed_pod("of no Job of ours", 2, ownerReferences=[]),
        build.running_pod(3),
    ]
    job = cleanup_job.read(item, pods)
    assert job.last_error == "newer https://s3.example/"
    assert (job.complete, job.failed) == (False, False)
    assert cleanup_job.read(build.failed_job(), []).failed
    assert cleanup_job.read(build.complete_job(), []).complete


def test_job_that_an_injected_sidecar_keeps_is_complete_once_its_container_has_succeeded(build: Build) -> None:
    sidecar = {"name": "istio-proxy", "state": {"terminated": {"exitCode": 0}}}
    ended, running = build.ended_pod(container="cleanup"), build.pod(containerStatuses=[sidecar])
    assert cleanup_job.read(build.job(), [ended]).complete
    assert not cleanup_job.read(build.job(), [build.ended_pod(container="cleanup", exit_code=1)]).complete
    assert not cleanup_job.read(build.job(), [running]).complete
    foreign = build.ended_pod(container="cleanup", meta={"ownerReferences": []})
    assert not cleanup_job.read(build.job(), [foreign]).complete


def test_container_that_fails_is_repeated_in_its_pod_whatever_else_runs(build: Build) -> None:
    assert job_of(build)["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"


def test_error_of_a_try_is_read_while_the_kubelet_repeats_it_next_to_a_sidecar(build: Build) -> None:
    sidecar = {"name": "istio-proxy", "state": {"running": {"startedAt": "2030-01-01T12:00:00Z"}}}
    last = {"terminated": {"exitCode": 1, "message": "the store is away"}}
    for now in ({"waiting": {"reason": "CrashLoopBackOff"}}, {"running": {"startedAt": "2030-01-01T12:00:00Z"}}):
        pod = build.pod(containerStatuses=[sidecar, {"name": "cleanup", "state": now, "lastState": last}])
        job = cleanup_job.read(build.job(), [pod])
        assert (job.complete, job.failed, job.last_error) == (False, False, "the store is away")
    ended = {"terminated": {"exitCode": 0}}
    pod = build.pod(containerStatuses=[sidecar, {"name": "cleanup", "state": ended, "lastState": last}])
    job = cleanup_job.read(build.job(), [pod])
    assert (job.complete, job.last_error) == (True, None)


def test_pods_are_read_once_one_has_failed_or_the_job_takes_long(build: Build) -> None:
    young = build.job(meta={"creationTimestamp": "2030-01-01T11:59:51Z"})
    assert not cleanup_job.needs_pods(young, now=build.now)
    assert cleanup_job.needs_pods(young | {"status": {"failed": 1}}, now=build.now)
    assert cleanup_job.needs_pods(young, now=build.now + timedelta(seconds=1))
    assert not cleanup_job.needs_pods(build.complete_job(), now=build.now)


def test_cleanup_job_is_ours_by_its_import_and_its_manager(build: Build) -> None:
    item, owner = job_of(build), resource.read(build.mediaimport())
    assert cleanup_job.is_ours(item, owner)
    labels = item["metadata"]["labels"]
    for other in ({names.LABEL_UID: "another"}, {names.MANAGED_BY: "mediaimport"}):
        assert not cleanup_job.is_ours(item | {"metadata": {"labels": labels | other}}, owner)


def test_job_that_only_has_the_cleanup_jobs_labels_is_not_ours(build: Build) -> None:
    item, owner = job_of(build), resource.read(build.mediaimport())
    assert not cleanup_job.is_ours(item | {"spec": {}}, owner)
    of_another = cleanup_job.job(resource.read(build.mediaimport(meta={"name": "another"})), build.settings())
    assert not cleanup_job.is_ours(item | {"spec": of_another["spec"]}, owner)
    other = item["spec"]["template"]["spec"]["containers"][0] | {"name": "other"}
    assert not cleanup_job.is_ours(item | {"spec": {"template": {"spec": {"containers": [other]}}}}, owner)


def test_task_of_a_refused_spec_names_what_status_or_spec_still_say(build: Build) -> None:
    item = build.mediaimport(type="hologram")
    task = cleanup_job.cleanup_task(resource.read(item))
    assert (task.user_id, task.asset_id) == ("ada", build.uid)
    assert task.source_fingerprint == source_fingerprint(item["spec"]["source"]["url"])
    named = "6f0e6b58-2d0c-4a58-9d1c-5d0b8f6e2a41"
    task = cleanup_job.cleanup_task(resource.read(build.mediaimport(type="hologram", assetId=named.upper())))
    assert task.asset_id == named
    imported = build.imported(key=f"media/bob/{named}/video.mp4").asset
    item["status"] = Status(asset=imported).to_wire()
    task = cleanup_job.cleanup_task(resource.read(item))
    assert (task.user_id, task.asset_id) == ("bob", named), "stored is what the status says"
    item["spec"]["source"] = None
    with pytest.raises(ValueError, match="nothing tells the source of film"):
        cleanup_job.cleanup_task(resource.read(item))
