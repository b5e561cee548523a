from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import cleanup_job, import_job
from mediaimport_operator.settings.extras import Extras
from mediaimport_runtime.environment import BadSettingError, Environment

if TYPE_CHECKING:
    from mediaimport_operator.settings.operator import Settings
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build

GIVEN: dict[str, Any] = {
    "labels": {"team": "media", "mediaimport.dev/uid": "forged"},
    "annotations": {"note": "ours"},
    "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "envFrom": [{"secretRef": {"name": "more"}}],
    "volumes": [{"name": "certificates", "configMap": {"name": "certificates"}}],
    "volumeMounts": [{"name": "certificates", "mountPath": "/certificates"}],
}


def read(given: object) -> Extras:
    return Extras.read(Environment({"IMPORTER_EXTRAS": json.dumps(given)}))


def settings(build: Build, **importer: object) -> Settings:
    before, changes = build.settings(), dict[str, Any](importer)
    return replace(before, importer=replace(before.importer, extras=read(GIVEN), **changes))


def pod_of(job: Object) -> Object:
    template: Object = job["spec"]["template"]
    return template


def test_importer_has_the_extras_and_the_prober_none(build: Build) -> None:
    pod = pod_of(import_job.job(resource.read(build.mediaimport()), settings(build), attempt=1))["spec"]
    (importer,), (prober,) = pod["containers"], pod["initContainers"]
    assert GIVEN["volumes"][0] in pod["volumes"]
    for field in ("env", "envFrom", "volumeMounts"):
        assert GIVEN[field][0] in importer[field]
        assert GIVEN[field][0] not in prober.get(field, [])


def test_operators_own_values_win(build: Build) -> None:
    job = import_job.job(resource.read(build.mediaimport()), settings(build), attempt=1)
    metadata, importer = pod_of(job)["metadata"], pod_of(job)["spec"]["containers"][0]
    assert metadata["labels"]["team"] == "media"
    assert metadata["labels"]["mediaimport.dev/uid"] == build.uid
    assert metadata["annotations"]["note"] == "ours"
    # Kubernetes takes the last of a name.
    assert importer["env"][0] == GIVEN["env"][0]
    ours = [{"configMapRef": {"name": "importer"}}, {"secretRef": {"name": "store"}}]
    assert importer["envFrom"] == [*GIVEN["envFrom"], *ours]


def test_cleanup_jobs_have_the_extras_too(build: Build) -> None:
    template = pod_of(cleanup_job.job(resource.read(build.mediaimport()), settings(build)))
    (container,) = template["spec"]["containers"]
    assert template["metadata"]["labels"]["mediaimport.dev/uid"] == build.uid
    assert template["metadata"]["labels"]["team"] == "media"
    assert GIVEN["env"][0] in container["env"]
    assert GIVEN["volumeMounts"][0] in container["volumeMounts"]
    assert GIVEN["volumes"][0] in template["spec"]["volumes"]


def test_nothing_is_added_unless_asked() -> None:
    assert Extras.read(Environment({})) == Extras()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "JSON object"),
        ({"env": {}}, "env is no list"),
        ({"labels": {"a": 1}}, "labels is no map"),
        ({"envfrom": []}, "has envfrom, which is none of labels"),
        ({"env": [{"name": "S3_BUCKET_NAME", "value": "other"}]}, "S3_BUCKET_NAME"),
        ({"env": [{"name": "MEDIAIMPORT_TASK", "value": "{}"}]}, "MEDIAIMPORT_TASK"),
        ({"volumes": [{"name": "scratch", "emptyDir": {}}]}, "volume scratch"),
    ],
)
def test_invalid_extras_end_the_start_with_one_line(given: object, message: str) -> None:
    with pytest.raises(BadSettingError, match=message) as caught:
        read(given)
    assert str(caught.value).startswith("IMPORTER_EXTRAS")
    assert "\n" not in str(caught.value)


def test_uids_are_left_to_the_namespace_on_request(build: Build) -> None:
    job = import_job.job(resource.read(build.mediaimport()), settings(build, uid=None, prober_uid=None), attempt=1)
    assert not {"runAsUser", "fsGroup"} & set(json.dumps(job).replace('"', " ").split())
    assert '"runAsNonRoot": true' in json.dumps(job)


def test_an_identity_of_the_pod_is_not_the_probers(build: Build) -> None:
    job = import_job.job(resource.read(build.mediaimport()), settings(build), attempt=1)
    annotations = pod_of(job)["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/skip-containers"] == pod_of(job)["spec"]["initContainers"][0]["name"]
