from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.names import TASK_VARIABLE
from mediaimport_api.task import Task
from mediaimport_operator.observe import resource
from mediaimport_operator.pods import import_job

if TYPE_CHECKING:
    from mediaimport_runtime.kubernetes.objects import Object

    from tests.support.operator_fakes import Build


def job_of(build: Build, item: Object | None = None, **more: object) -> Object:
    given: dict[str, Any] = {"attempt": 1, **more}
    return import_job.job(resource.read(item or build.mediaimport()), build.settings(), **given)


def pod_of(job: Object) -> Object:
    spec: Object = job["spec"]["template"]["spec"]
    return spec


def containers(job: Object) -> list[Object]:
    return [*pod_of(job)["initContainers"], *pod_of(job)["containers"]]


def variables(container: Object) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def test_the_pod_meets_pod_security_restricted(build: Build) -> None:
    job = job_of(build)
    pod = pod_of(job)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert all(set(volume) - {"name"} <= {"emptyDir", "configMap"} for volume in pod["volumes"])
    for container in containers(job):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["runAsUser"] > 0
        assert context["readOnlyRootFilesystem"] is True
        assert "ports" not in container


def test_the_pod_gets_no_way_to_the_kubernetes_api(build: Build) -> None:
    pod = pod_of(job_of(build))
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)


def test_the_prober_has_no_secret_and_cannot_write_to_the_scratch_space(build: Build) -> None:
    prober, importer = containers(job_of(build))
    assert prober["restartPolicy"] == "Always"
    assert "envFrom" not in prober
    assert set(variables(prober)) == {"PROBER_SOCKET", "SCRATCH_DIRECTORY"}
    assert {"name": "scratch", "mountPath": "/scratch", "readOnly": True} in prober["volumeMounts"]
    assert prober["securityContext"]["runAsUser"] != importer["securityContext"]["runAsUser"]
    shared = {each["name"] for each in prober["volumeMounts"]} & {each["name"] for each in importer["volumeMounts"]}
    assert shared == {"scratch", "prober"}


def test_the_importer_starts_while_the_prober_does(build: Build) -> None:
    prober, _ = containers(job_of(build))
    assert not {"startupProbe", "readinessProbe"} & set(prober)


def test_every_mount_has_its_volume(build: Build) -> None:
    job = job_of(build)
    volumes = {each["name"] for each in pod_of(job)["volumes"]}
    assert {mount["name"] for each in containers(job) for mount in each["volumeMounts"]} <= volumes


def test_every_container_is_bounded_in_memory_and_disk(build: Build) -> None:
    for container in containers(job_of(build)):
        assert {"memory", "ephemeral-storage"} <= set(container["resources"]["limits"])
        assert set(container["resources"]["requests"]) == {"cpu", "memory", "ephemeral-storage"}


def test_one_job_is_one_attempt_that_the_operator_alone_repeats(build: Build) -> None:
    spec = job_of(build)["spec"]
    assert (spec["backoffLimit"], spec["completions"], spec["parallelism"]) == (0, 1, 1)
    assert spec["podReplacementPolicy"] == "Failed", "a resumed Job has no second importer"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert not {"podFailurePolicy", "ttlSecondsAfterFinished"} & set(spec)


def test_the_same_attempt_has_the_same_name_and_another_another(build: Build) -> None:
    name = job_of(build)["metadata"]["name"]
    assert job_of(build)["metadata"]["name"] == name
    assert job_of(build, attempt=2)["metadata"]["name"] != name
    assert job_of(build, build.mediaimport(run="again"))["metadata"]["name"] != name


def test_the_job_goes_with_its_import(build: Build) -> None:
    (owner,) = job_of(build)["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("MediaImport", build.uid, True)


def test_job_and_pod_carry_the_labels_that_find_them(build: Build) -> None:
    job = job_of(build)
    selected = dict(part.split("=") for part in import_job.selector("mediaimport").split(","))
    assert selected.items() <= job["metadata"]["labels"].items()
    assert job["metadata"]["labels"].items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_the_task_carries_settled_limits(build: Build) -> None:
    item = build.mediaimport(limits={"deadlineSeconds": 60}, run="again")
    job = job_of(build, item, attempt=3)
    task = Task.model_validate_json(variables(containers(job)[1])["MEDIAIMPORT_TASK"])
    assert (task.deadline_seconds, task.max_size_bytes) == (60, 5 * 1024**3)
    assert (task.attempt, task.run, task.asset_id) == (3, "again", build.uid)
    assert job["spec"]["activeDeadlineSeconds"] == 60


@pytest.mark.parametrize(("more", "memory"), [(False, "256Mi"), (True, str(512 * 1024**2))])
def test_an_attempt_after_out_of_memory_gets_twice_as_much(build: Build, more: bool, memory: str) -> None:  # noqa: FBT001 - pytest's parameters
    _, importer = containers(job_of(build, more_memory=more))
    assert importer["resources"]["limits"]["memory"] == importer["resources"]["requests"]["memory"] == memory
    assert Task.model_validate_json(variables(importer)["MEDIAIMPORT_TASK"]).more_memory is more


@pytest.mark.parametrize(("more", "memory"), [(False, "1Gi"), (True, str(2 * 1024**3))])
def test_prober_gets_twice_as_much_too_and_knows_its_limit(build: Build, more: bool, memory: str) -> None:  # noqa: FBT001 - pytest's parameters
    prober, _ = containers(job_of(build, more_memory=more))
    assert prober["resources"]["limits"]["memory"] == memory
    known = {"name": "PROBER_MEMORY_BYTES", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}
    assert known in prober["env"]


def test_both_images_have_their_own_pull_policy(build: Build) -> None:
    policies = replace(build.settings().importer, pull_policy="Never", prober_pull_policy="Always")
    settings = build.settings(importer=policies)
    prober, importer = containers(import_job.job(resource.read(build.mediaimport()), settings, attempt=1))
    assert (importer["imagePullPolicy"], prober["imagePullPolicy"]) == ("Never", "Always")


def test_a_private_ca_is_mounted_and_named(build: Build) -> None:
    settings = build.settings()
    with_ca = build.settings(
        importer=type(settings.importer)(**(vars(settings.importer) | {"store_ca_config_map": "ca"}))
    )
    job = import_job.job(resource.read(build.mediaimport()), with_ca, attempt=1)
    importer = containers(job)[1]
    assert variables(importer)["S3_CA_BUNDLE"] == "/etc/mediaimport/store-ca/ca.crt"
    assert {"name": "store-ca", "configMap": {"name": "ca"}} in pod_of(job)["volumes"]


def test_the_largest_source_fits_into_an_environment_variable(build: Build) -> None:
    item = build.mediaimport(source={"url": "data:" + "x" * 65_000}, metadata={"text": "é" * 4000})
    _, importer = containers(job_of(build, item))
    assert len(variables(importer)["MEDIAIMPORT_TASK"].encode()) < 128 * 1024


def test_only_the_importer_gets_the_headers_secret(build: Build) -> None:
    source = {"url": "https://example.com/a.mp4", "headersSecretRef": {"name": "to-example"}}
    job = job_of(build, build.mediaimport(source=source))
    prober, importer = containers(job)
    mount = {"name": "source-headers", "mountPath": "/etc/mediaimport/source-headers", "readOnly": True}
    assert mount in importer["volumeMounts"]
    assert variables(importer)["SOURCE_HEADERS_DIRECTORY"] == mount["mountPath"]
    assert "source-headers" not in {each["name"] for each in prober["volumeMounts"]}
    # Optional: the importer says what is missing, a pod that waits for a volume does not.
    secret = {"secretName": "to-example", "optional": True}
    assert {"name": "source-headers", "secret": secret} in pod_of(job)["volumes"]


def test_end_of_the_log_is_never_taken_for_a_result(build: Build) -> None:
    _, importer = containers(job_of(build))
    assert importer["terminationMessagePolicy"] == "File"


def test_texts_of_authors_reach_the_importer_as_they_are(build: Build) -> None:
    text = "$(PROXY) $$(PROXY) $$ $ $(SCRATCH_DIRECTORY)"
    item = build.mediaimport(metadata={"prompt": text}, name=text)
    spec = resource.read(item).spec
    given = expanded(containers(job_of(build, item))[1], {"PROXY": "http://user:secret@proxy"})
    assert Task.model_validate_json(given[TASK_VARIABLE]).spec == spec


def expanded(container: Object, before: dict[str, str]) -> dict[str, str]:
    """Return a container's variables as the kubelet makes them: each may refer to those before it, `$$` is `$`."""
    made = dict(before)
    for name, value in variables(container).items():
        made[name] = re.sub(
            r"\$\$|\$\(([^)]*)\)", lambda found: "$" if found[1] is None else made.get(found[1], found[0]), value
        )
    return made
