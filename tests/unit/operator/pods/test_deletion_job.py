from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mediaimport_api.sidecar import source_fingerprint
from mediaimport_api.task import Deletion
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import deletion_job, import_job

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.unit.operator.conftest import Build


def made(build: Build) -> Object:
    return deletion_job.job(resource.read(build.mediaimport()), build.settings(operator_namespace="operators"))


def test_the_job_is_nobodys_and_in_the_operators_namespace(build: Build) -> None:
    meta = made(build)["metadata"]
    assert meta["namespace"] == "operators"
    assert "ownerReferences" not in meta
    assert meta["name"] == deletion_job.name(resource.read(build.mediaimport()))


def test_watches_and_sweeps_for_importers_pass_over_it(build: Build) -> None:
    labels = made(build)["metadata"]["labels"]
    wanted = dict(each.split("=") for each in import_job.selector(build.settings().instance).split(","))
    assert not wanted.items() <= labels.items()


def test_it_is_told_whose_asset_is_to_go_and_not_the_url(build: Build) -> None:
    container = made(build)["spec"]["template"]["spec"]["containers"][0]
    told = Deletion.model_validate_json(
        {each["name"]: each["value"] for each in container["env"]}["MEDIAIMPORT_DELETION"]
    )
    assert (told.owner.name, told.user_id, told.asset_id) == ("film", "ada", build.uid)
    assert "signature" not in json.dumps(container)


def test_resource_that_stands_in_for_one_that_is_gone_names_its_source(build: Build) -> None:
    item, url = build.mediaimport(), "https://gone.invalid/"
    for told, expected in (("ab" * 32, "ab" * 32), ("no hash", source_fingerprint(url)), ("", source_fingerprint(url))):
        item["metadata"]["annotations"] = {"mediaimport.dev/source-fingerprint": told}
        item["spec"]["source"] = {"url": url}
        assert deletion_job.deletion(resource.read(item)).source_fingerprint == expected


def test_its_pod_is_as_confined_as_an_importers(build: Build) -> None:
    spec = made(build)["spec"]["template"]["spec"]
    importers = import_job.job(resource.read(build.mediaimport()), build.settings(), attempt=1)["spec"]["template"][
        "spec"
    ]
    for name in ("automountServiceAccountToken", "enableServiceLinks", "securityContext", "restartPolicy"):
        assert spec[name] == importers[name]
    assert spec["containers"][0]["securityContext"] == importers["containers"][0]["securityContext"]
    assert "initContainers" not in spec


def test_the_last_words_are_those_of_the_newest_pod_that_failed(build: Build) -> None:
    pods = [
        build.ended_pod(
            1,
            exit_code=1,
            message="newer https://s3.example/?sig=x",
            meta={"creationTimestamp": "2030-01-01T12:01:00Z"},
        ),
        build.ended_pod(2, exit_code=1, message="older", meta={"creationTimestamp": "2030-01-01T12:00:00Z"}),
        build.running_pod(3),
    ]
    seen = deletion_job.read(build.job(failed=2), pods)
    assert seen.words == "newer https://s3.example/"
    assert (seen.complete, seen.failed) == (False, False)
    assert deletion_job.read(build.failed_job(), []).failed
    assert deletion_job.read(build.complete_job(), []).complete
    assert deletion_job.has_failed_once(build.job(failed=1))
    assert not deletion_job.has_failed_once(build.job())
