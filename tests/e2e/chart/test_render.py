"""The manifests that Helm renders, and the values that it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml
from mediaimport_api import crd
from mediaimport_operator.settings.extras import Extras
from mediaimport_operator.settings.operator import Settings
from mediaimport_runtime.environment import Environment

from dev.cluster.kubectl import KubeError
from tests.support.installation.helm import CHART

if TYPE_CHECKING:
    from tests.support.installation.chart import Chart, Object
    from tests.support.installation.world import World

MIB_5 = 5 * 1024**3


def test_lint_is_clean(chart: Chart) -> None:
    needed = "s3.bucket=media,global.imageRegistry=registry.example.com"
    assert "0 chart(s) failed" in chart.kube.helm("lint", "--strict", str(CHART), "--set", needed)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["s3.buket=media"], "'buket' not allowed"),
        (["s3bucket=media"], "'s3bucket' not allowed"),
        (["replicate.models.wan.modell=a/b"], "'modell' not allowed"),
        (["operator.maxInFlight=many"], "/operator/maxInFlight"),
        (["image.digest=sha256:abc"], "/image/digest"),
        (["s3.endpointUrl=minio:9000"], "/s3/endpointUrl"),
        (["s3.caBundle=/etc/ca.crt"], "/s3/caBundle"),
        (["replicate.webhookSecrets={secret}"], "/replicate/webhookSecrets"),
        (["replicate.models.webhook.model=a/b"], "webhook"),
        (["source.allowedNetworks={10.0.0.1}"], "/source/allowedNetworks"),
        (["auth.mode=nobody"], "/auth/mode"),
        (["provenance.input=some"], "/provenance/input"),
        (["s3.accessKeyId=key"], "s3.accessKeyId and s3.secretAccessKey belong together"),
        (["s3.existingSecret=a", "s3.accessKeyId=k", "s3.secretAccessKey=s"], "s3.existingSecret and s3.accessKeyId"),
        (["auth.existingSecret=a", "auth.tokens[0].user=u", "auth.tokens[0].token=t"], "auth.existingSecret and"),
        (["replicate.existingSecret=a", "replicate.apiToken=t"], "replicate.existingSecret contradicts"),
        (["fal.existingSecret=a", "fal.key=k"], "fal.existingSecret and fal.key contradict"),
        (["watchNamespaces={other}"], "watchNamespaces lacks own"),
        (["webhook.ingress.enabled=true"], "webhook.ingress.host is not set"),
        (
            ["webhook.enabled=false", "webhook.ingress.enabled=true", "webhook.ingress.host=a"],
            "webhook.ingress.enabled contradicts",
        ),
        (["webhook.enabled=false", "webhook.httpRoute.enabled=true"], "webhook.httpRoute.enabled contradicts"),
        (["webhook.httpRoute.enabled=true"], "webhook.httpRoute.parentRefs is empty"),
        (["webhook.autoscaling.enabled=true", "webhook.autoscaling.minReplicas=20"], "minReplicas is more than"),
        (["auth.mode=none", "auth.existingSecret=tokens"], "auth.mode none contradicts"),
        (["auth.oidc.issuer=https://login.example.com"], "auth.oidc.audience goes with auth.oidc.issuer"),
        (["monitoring.serviceMonitor.interval=30"], "/monitoring/serviceMonitor/interval"),
        (["monitoring.serviceMonitor.enabled=true", "monitoring.podMonitor.enabled=true"], "scrape every pod twice"),
        (["webhook.resources.limit.memory=1Gi"], "'limit' not allowed"),
        (["operator.tolerations[0].efect=NoSchedule"], "'efect' not allowed"),
        (["importer.placement.affinity.nodeAfinity.a=b"], "'nodeAfinity' not allowed"),
        (["importer.extraEnv[0].nam=A"], "'nam' not allowed"),
        (["importer.extraEnv[0].name=S3_BUCKET_NAME"], "/importer/extraEnv/0/name"),
        (["importer.extraEnv[0].name=MEDIAIMPORT_TASK"], "/importer/extraEnv/0/name"),
        (["webhook.extraEnv[0].name=S3_REGION"], "/webhook/extraEnv/0/name"),
        (["importer.extraVolumes[0].name=scratch"], "/importer/extraVolumes/0/name"),
        (["importer.extraVolumeMounts[0].name=a", "importer.extraVolumeMounts[0].mountPath=/scratch/a"], "/mountPath"),
        (["operator.extraEnv[0].name=MAX_IN_FLIGHT"], "operator.extraEnv sets MAX_IN_FLIGHT"),
        (["webhook.recovery.extraEnv[0].name=LOG_LEVEL"], "webhook.recovery.extraEnv sets LOG_LEVEL"),
        (["importer.podLabels.mediaimport\\.dev/uid=x"], "importer.podLabels has mediaimport.dev/uid"),
        (["importer.proberRunAsUser=65532"], "importer.runAsUser and importer.proberRunAsUser are the same"),
        (["s3.identityAddress=metadata"], "/s3/identityAddress"),
        (["s3.sessionRole=importer"], "/s3/sessionRole"),
        (["importer.memory=1Gi"], "importer.memory is no value any more; set importer.resources.requests.memory and"),
        (["importer.cpuRequest=1"], "set importer.resources.requests.cpu instead"),
        (["importer.proberMemory=1Gi"], "set prober.resources.limits.memory instead"),
        (["importer.proberCpuRequest=1"], "set prober.resources.requests.cpu instead"),
        (["webhook.replicas=2"], "webhook.replicas is no value any more; set webhook.replicaCount instead"),
        (["prober.resources.limits.memory=null"], "missing property 'memory'"),
        (["monitoring.rules.enabled=true", "monitoring.rules.disabled={Other}"], "names Other, which is no alert"),
        (["webhook.ingress.paths[0].path=callback"], "/webhook/ingress/paths/0/path"),
    ],
)
def test_bad_value_is_refused_by_name(chart: Chart, settings: list[str], sentence: str) -> None:
    with pytest.raises(KubeError) as refusal:
        chart.text(*settings)
    assert sentence in str(refusal.value)


def test_missing_bucket_is_refused_with_a_sentence(chart: Chart) -> None:
    with pytest.raises(KubeError, match=r"s3\.bucket is not set; name the bucket"):
        chart.text(bucket="")


def test_permissions_are_limited_to_namespaces(chart: Chart) -> None:
    kinds = {each["kind"] for each in chart.objects()}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    rules = [rule for role in chart.of("Role") for rule in role["rules"]]
    assert not [rule for rule in rules if "*" in rule["verbs"] + rule["resources"] + rule["apiGroups"]]
    named = [(role["metadata"]["name"], rule) for role in chart.of("Role") for rule in role["rules"]]
    creates = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}
    assert [each for each in named if "secrets" in each[1]["resources"]] == [("mi-mediaimport-first-secrets", creates)]


def test_operator_of_other_namespaces_may_remove_its_finalizer_there_and_nothing_else(chart: Chart) -> None:
    others = ("watchNamespaces={media,films}", "webhook.enabled=false")
    (role,) = chart.of("ClusterRole", *others)
    assert role["rules"] == [
        {"apiGroups": ["mediaimport.dev"], "resources": ["mediaimports"], "verbs": ["get", "patch"]}
    ]
    (binding,) = chart.of("ClusterRoleBinding", *others)
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [each["kind"] for each in binding["subjects"]] == ["ServiceAccount"]
    assert chart.of("ClusterRole", *others, "operator.finalizerClusterRole=false") == []


def test_webhook_may_read_no_configmap(chart: Chart) -> None:
    (role,) = [each for each in chart.of("Role") if each["metadata"]["name"].endswith("-webhook")]
    assert not [rule for rule in role["rules"] if "configmaps" in rule["resources"]]


def variables_of(pod: Object) -> dict[str, str]:
    """Return the variables of a pod's only container that have a value."""
    (container,) = pod["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if "value" in each}


def first_secrets(chart: Chart, *settings: str) -> set[str]:
    """Return the names of the Secrets that the Job creates if they are absent."""
    variables = [variables_of(job["spec"]["template"]) for job in chart.of("Job", *settings)]
    names = ("FIRST_TOKEN_SECRET", "OWNER_KEYS_SECRET")
    return {each[name] for each in variables for name in names if name in each}


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("replicate.apiToken=t", "s3.accessKeyId=k", "s3.secretAccessKey=s", "webhook.autoscaling.enabled=true"),
        ("watchNamespaces={other}", "webhook.enabled=false"),
    ],
)
def test_two_renders_are_the_same_bytes(chart: Chart, settings: tuple[str, ...]) -> None:
    assert chart.text(*settings) == chart.text(*settings)


def test_job_creates_the_secrets_that_webhook_and_recovery_read(chart: Chart) -> None:
    token, keys = "mi-mediaimport-first-token", "mi-mediaimport-owner-keys"
    assert first_secrets(chart) == {token, keys}
    found = pods(chart, "replicate.apiToken=t")
    for spec in (found[each]["spec"] for each in ("webhook", "recovery")):
        assert {"secretRef": {"name": keys}} in spec["containers"][0]["envFrom"]
        assert token in {each["secret"]["secretName"] for each in spec["volumes"] if "secret" in each}
    assert [each for each in chart.of("Secret") if each["metadata"]["name"] in {token, keys}] == []


def test_job_creates_no_secret_that_the_user_brings(chart: Chart) -> None:
    mine = "webhook.ownerKeysExistingSecret=mine"
    (container,) = chart.deployment("webhook", mine)["spec"]["template"]["spec"]["containers"]
    assert {"secretRef": {"name": "mine"}} in container["envFrom"]
    assert first_secrets(chart, mine) == {"mi-mediaimport-first-token"}
    for auth in ("auth.existingSecret=tokens", "auth.mode=none"):
        assert first_secrets(chart, auth) == {"mi-mediaimport-owner-keys"}
        assert not [each for each in chart.objects(mine, auth) if "first-secrets" in each["metadata"]["name"]]


def test_job_of_first_secrets_is_installed_by_tools_that_only_render(chart: Chart) -> None:
    (job,) = chart.of("Job")
    assert "annotations" not in job["metadata"]
    # The spec of a Job cannot be changed: another pod is another Job.
    (other,) = chart.of("Job", "image.tag=other")
    assert other["metadata"]["name"] != job["metadata"]["name"]
    assert "ttlSecondsAfterFinished" not in job["spec"], "Argo CD would create a deleted Job again, for ever"


def test_recovery_of_all_is_asked_for_by_name(chart: Chart) -> None:
    name = "RECOVERY_IMPORT_ALL"
    assert chart.variables("webhook")[name] == "false"
    assert chart.variables("webhook", "webhook.recovery.importAll=true")[name] == "true"


def test_input_of_models_is_recorded_as_the_value_says_by_webhook_and_recovery(chart: Chart) -> None:
    name, value = "PROVENANCE_INPUT", "provenance.input=hashed"
    assert (chart.variables("webhook")[name], chart.variables("webhook", value)[name]) == ("full", "hashed")
    (recovery,) = chart.of("CronJob", "replicate.apiToken=t", value)
    (container,) = recovery["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert {"name": name, "value": "hashed"} in container["env"]


def test_every_watched_namespace_gets_every_object_that_imports_need(chart: Chart) -> None:
    settings = ("watchNamespaces={own,other}", "s3.accessKeyId=k", "s3.secretAccessKey=s")
    there = {each["kind"] for each in chart.objects(*settings) if each["metadata"].get("namespace") == "other"}
    assert there == {"Role", "RoleBinding", "ServiceAccount", "Secret", "ConfigMap", "NetworkPolicy"}
    assert chart.variables("operator", *settings)["WATCH_NAMESPACES"] == "own,other"


ROLE = "arn:aws:iam::111122223333:role/importer"
SESSION = (f"s3.sessionRole={ROLE}", "s3.accessKeyId=k", "s3.secretAccessKey=s")


def test_without_a_role_the_operator_has_no_key_of_the_store(chart: Chart) -> None:
    names = chart.variables("operator", "s3.accessKeyId=k", "s3.secretAccessKey=s")
    assert not [name for name in names if name in {"S3_SESSION_ROLE", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"}]


def test_with_a_role_the_stores_keys_leave_the_releases_namespace_for_no_import(chart: Chart) -> None:
    secrets = chart.of("Secret", *SESSION, "watchNamespaces={own,other}")
    holders = [
        each["metadata"]["namespace"] for each in secrets if "S3_ACCESS_KEY_ID" in (each.get("stringData") or {})
    ]
    assert holders == ["own"]


def test_with_a_role_the_keys_are_where_helm_test_imports_for_as_long_as_it_takes(chart: Chart) -> None:
    secrets = chart.of("Secret", *SESSION, "watchNamespaces={other}", "webhook.enabled=false")
    (copy,) = [each["metadata"] for each in secrets if each["metadata"]["namespace"] == "other"]
    assert copy["annotations"]["helm.sh/hook"] == "test"
    assert "hook-succeeded" in copy["annotations"]["helm.sh/hook-delete-policy"]


def test_with_a_role_import_pods_have_no_identity(chart: Chart) -> None:
    annotated = "importer.serviceAccount.annotations.role=x"
    assert [each for each in chart.of("ServiceAccount", annotated) if is_importers(each) and annotations_of(each)]
    assert not [
        each for each in chart.of("ServiceAccount", annotated, *SESSION) if is_importers(each) and annotations_of(each)
    ]


def is_importers(account: Object) -> bool:
    return str(account["metadata"]["name"]).endswith("-importer")


def annotations_of(item: Object) -> Object:
    found: Object = item["metadata"].get("annotations") or {}
    return found


@pytest.mark.parametrize("watched", ["own,other", "other"])
def test_with_a_role_the_operator_creates_and_deletes_secrets_and_reads_none(chart: Chart, watched: str) -> None:
    # Import Jobs run in the watched namespaces, cleanup Jobs in the release's own.
    rules = [
        (role["metadata"]["namespace"], rule["verbs"])
        for role in chart.of("Role", *SESSION, f"watchNamespaces={{{watched}}}", "webhook.enabled=false")
        for rule in role["rules"]
        if "secrets" in rule["resources"]
    ]
    assert sorted(rules) == [("other", ["create", "delete"]), ("own", ["create", "delete"])]


def test_with_a_role_the_operator_reaches_sts(chart: Chart) -> None:
    settings = (*SESSION, "s3.endpointUrl=https://s3.store.svc:9000")
    assert egress_ports(chart, *settings, "s3.stsEndpointUrl=https://sts.store.svc:7480") >= {7480}
    assert egress_ports(chart, *settings) >= {9000}


def egress_ports(chart: Chart, *settings: str) -> set[int]:
    """Return the TCP ports that the operator may connect to."""
    policies = chart.of("NetworkPolicy", *settings)
    (policy,) = [each["spec"] for each in policies if each["metadata"]["name"].endswith("-operator")]
    return {port["port"] for rule in policy["egress"] for port in rule.get("ports", []) if port["protocol"] == "TCP"}


def pods(chart: Chart, *settings: str) -> dict[str, Object]:
    """Return all pods of the chart, with their metadata, by component."""
    objects = chart.objects(*settings)
    templates = [each["spec"]["template"] for each in objects if each["kind"] in {"Deployment", "Job"}]
    templates += [each["spec"]["jobTemplate"]["spec"]["template"] for each in objects if each["kind"] == "CronJob"]
    whole = [*templates, *(each for each in objects if each["kind"] == "Pod")]
    return {each["metadata"]["labels"]["app.kubernetes.io/component"]: each for each in whole}


def test_pods_fit_pod_security_restricted(chart: Chart) -> None:
    found = pods(chart, "replicate.apiToken=t")
    assert set(found) == {"operator", "webhook", "recovery", "first-secrets", "test"}
    for pod in (each["spec"] for each in found.values()):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_longest_name_fits_the_limits_of_kubernetes(chart: Chart) -> None:
    objects = chart.objects(f"fullnameOverride={'n' * 60}", "replicate.apiToken=t")
    limits = {"CronJob": 52}
    too_long = [each for each in objects if len(each["metadata"]["name"]) > limits.get(each["kind"], 63)]
    assert too_long == []
    assert {"CronJob", "Service"} <= {each["kind"] for each in objects}


def test_large_number_stays_a_number(chart: Chart) -> None:
    assert chart.variables("operator")["MAX_SIZE_BYTES"] == str(MIB_5)


def test_image_is_the_chart_version_a_tag_or_a_digest(chart: Chart) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    digest = f"sha256:{'a' * 64}"
    registry = "registry.example.com"
    assert chart.variables("operator")["IMPORTER_IMAGE"] == f"{registry}/mediaimport:{version}"
    assert chart.variables("operator", "proberImage.tag=v2")["PROBER_IMAGE"] == f"{registry}/mediaimport-ffmpeg:v2"
    pinned = chart.variables("operator", "image.tag=v2", f"image.digest={digest}")
    assert pinned["IMPORTER_IMAGE"] == f"{registry}/mediaimport@{digest}"


@pytest.mark.parametrize("path", ["image", "proberImage"])
def test_image_without_a_registry_is_refused_with_what_to_do(chart: Chart, path: str) -> None:
    with pytest.raises(KubeError, match=rf"{path}.repository is ours/name and names no registry; push the image"):
        chart.text(f"{path}.repository=ours/name")


@pytest.mark.parametrize(
    ("repository", "remedy"),
    [
        ("mediaimport", r"\(docker\.io/library/mediaimport for an image that is on the nodes\)"),
        ("ours/name", r"\(docker\.io/ours/name for Docker Hub and for an image that is on the nodes\)"),
    ],
)
def test_remedy_of_a_missing_registry_is_the_name_that_the_nodes_use(
    chart: Chart, repository: str, remedy: str
) -> None:
    with pytest.raises(KubeError, match=remedy):
        chart.text(f"image.repository={repository}")


@pytest.mark.parametrize("path", ["image", "proberImage"])
@pytest.mark.parametrize("end", [":0.1.0", f"@sha256:{'a' * 64}", f":0.1.0@sha256:{'a' * 64}"])
def test_repository_with_a_tag_or_a_digest_is_refused_with_the_value_for_it(chart: Chart, path: str, end: str) -> None:
    with pytest.raises(KubeError, match=rf"{path}\.repository is .* and has a tag or a digest; set {path}\.tag or"):
        chart.text(f"{path}.repository=registry.example.com:5000/ours/name{end}")


def test_no_network_policy_has_an_empty_list_that_the_api_server_drops(chart: Chart) -> None:
    """A server-side apply would change such a policy each time, without a difference."""
    policies = chart.of("NetworkPolicy", "replicate.apiToken=t", "catalogue.urlSecretRef.name=catalogue")
    assert {"mi-mediaimport-cleanup", "mi-mediaimport-migration"} <= {each["metadata"]["name"] for each in policies}
    empty = [
        each["metadata"]["name"]
        for each in policies
        if any(each["spec"].get(direction) == [] for direction in ("ingress", "egress"))
    ]
    assert empty == []


@pytest.mark.parametrize(
    ("repository", "registry", "expected"),
    [
        ("mediaimport", "harbor.example.com", "harbor.example.com/mediaimport"),
        ("ghcr.io/ours/mediaimport", "harbor.example.com:5000", "harbor.example.com:5000/ours/mediaimport"),
        ("localhost/mediaimport", "harbor.example.com/mirror/", "harbor.example.com/mirror/mediaimport"),
        ("ours/mediaimport", "localhost:5000", "localhost:5000/ours/mediaimport"),
        ("docker.io/library/mediaimport", "", "docker.io/library/mediaimport"),
    ],
)
def test_global_registry_replaces_that_of_the_repository(
    chart: Chart, repository: str, registry: str, expected: str
) -> None:
    settings = (f"image.repository={repository}", f"global.imageRegistry={registry}", "image.tag=v2")
    assert chart.variables("operator", *settings)["IMPORTER_IMAGE"] == f"{expected}:v2"


def test_global_pull_secrets_are_added_to_those_of_the_chart(chart: Chart) -> None:
    settings = (
        "imagePullSecrets[0].name=own",
        "global.imagePullSecrets[0].name=shared",
        "global.imagePullSecrets[1]=b",
    )
    found = pods(chart, "replicate.apiToken=t", *settings)
    everywhere = [{"name": "own"}, {"name": "shared"}, {"name": "b"}]
    assert {name: pod["spec"]["imagePullSecrets"] for name, pod in found.items()} == dict.fromkeys(found, everywhere)
    assert chart.variables("operator", *settings)["IMAGE_PULL_SECRETS"] == "own,shared,b"


def test_prober_image_has_a_pull_policy_of_its_own(chart: Chart) -> None:
    def policies(*settings: str) -> tuple[str, str, str]:
        variables, spec = chart.variables("operator", *settings), pods(chart, *settings)["test"]["spec"]
        film = spec["initContainers"][0]["imagePullPolicy"]
        return variables["IMAGE_PULL_POLICY"], variables["PROBER_IMAGE_PULL_POLICY"], film

    assert policies("image.pullPolicy=Never") == ("Never", "Never", "Never")
    assert policies("proberImage.pullPolicy=Always") == ("IfNotPresent", "Always", "Always")


@pytest.mark.parametrize("change", ["s3.region=there", "source.allowedPorts={8080}", "replicate.apiToken=new"])
def test_changed_configuration_restarts_the_webhook(chart: Chart, change: str) -> None:
    def template(*settings: str) -> Object:
        found: Object = chart.deployment("webhook", *settings)["spec"]["template"]
        return found

    assert template() == template()
    assert template()["metadata"]["annotations"] != template(change)["metadata"]["annotations"]


def test_crd_is_kept_or_left_out_by_its_values(chart: Chart) -> None:
    (kept,) = chart.of("CustomResourceDefinition")
    (loose,) = chart.of("CustomResourceDefinition", "crds.keep=false")
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in loose["metadata"]
    assert chart.of("CustomResourceDefinition", "crds.enabled=false") == []


def test_crd_passes_through_helm_unchanged(chart: Chart) -> None:
    (rendered,) = chart.of("CustomResourceDefinition")
    assert rendered["spec"] == crd.definition()["spec"]


@pytest.mark.parametrize(
    ("settings", "peer"),
    [
        (["s3.endpointUrl=https://10.1.2.3:9000"], {"ipBlock": {"cidr": "10.1.2.3/32"}}),
        (["s3.networks={192.168.0.0/24}"], {"ipBlock": {"cidr": "192.168.0.0/24"}}),
        (
            ["s3.endpointUrl=http://minio.storage.svc.cluster.local:9000"],
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "storage"}}},
        ),
        (["source.allowedNetworks={10.2.0.0/16}"], {"ipBlock": {"cidr": "10.2.0.0/16"}}),
    ],
)
def test_network_policy_opens_the_private_networks_that_the_importer_needs(
    chart: Chart, settings: list[str], peer: Object
) -> None:
    peers = importer_peers(chart, *settings)
    assert peer in peers
    assert peer not in importer_peers(chart)


def test_importer_reaches_the_internet_but_nothing_private(chart: Chart) -> None:
    blocks = [peer["ipBlock"] for peer in importer_peers(chart)]
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "2000::/3", "64:ff9b::/96"}
    ipv4 = next(block["except"] for block in blocks if block["cidr"] == "0.0.0.0/0")
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"} <= set(ipv4)


def test_proxy_replaces_the_internet_in_the_network_policy(chart: Chart) -> None:
    setting = "source.proxyUrl=http://proxy.example.com:3128"
    (policy,) = [each for each in chart.of("NetworkPolicy", setting) if each["metadata"]["name"].endswith("-importer")]
    config = [each["data"] for each in chart.of("ConfigMap", setting) if "SOURCE_PROXY_URL" in each.get("data", {})]

    assert {"ports": [{"protocol": "TCP", "port": 3128}]} in policy["spec"]["egress"]
    # The store's rule still reaches the internet.
    assert sum("0.0.0.0/0" in str(rule) for rule in policy["spec"]["egress"]) == 1
    assert [each["SOURCE_PROXY_URL"] for each in config] == ["http://proxy.example.com:3128"] * len(config)
    assert config


def importer_peers(chart: Chart, *settings: str) -> list[Object]:
    (policy,) = [
        each for each in chart.of("NetworkPolicy", *settings) if each["metadata"]["name"].endswith("-importer")
    ]
    return [peer for rule in policy["spec"]["egress"] for peer in rule.get("to", [])]


def test_network_policy_selects_the_pods_of_import_jobs(chart: Chart) -> None:
    (policy,) = [each for each in chart.of("NetworkPolicy") if each["metadata"]["name"].endswith("-importer")]
    assert policy["spec"]["podSelector"]["matchLabels"] == {
        "mediaimport.dev/instance": chart.variables("operator")["INSTANCE"],
        "app.kubernetes.io/component": "importer",
    }


def test_recovery_needs_an_api_token(chart: Chart) -> None:
    assert chart.of("CronJob") == []
    (recovery,) = chart.of("CronJob", "replicate.apiToken=t")
    pod = recovery["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"] == ["python", "-m", "mediaimport_webhook", "recover"]
    assert pod["securityContext"] == chart.deployment("webhook")["spec"]["template"]["spec"]["securityContext"]
    assert chart.of("CronJob", "replicate.apiToken=t", "webhook.recovery.enabled=false") == []


@pytest.mark.parametrize("nobody", ["null", ""])
def test_empty_uid_leaves_the_uid_to_the_namespace(chart: Chart, nobody: str) -> None:
    assert "runAsUser" not in chart.text(f"runAsUser={nobody}", "replicate.apiToken=t")
    security = chart.deployment("operator", f"runAsUser={nobody}")["spec"]["template"]["spec"]["securityContext"]
    assert security == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_common_labels_are_on_all_objects_and_pods(chart: Chart) -> None:
    objects = chart.objects("commonLabels.team=media", "replicate.apiToken=t")
    assert [each["kind"] for each in objects if each["metadata"]["labels"].get("team") != "media"] == []
    for workload in (each for each in objects if each["kind"] in {"Deployment", "Job"}):
        assert workload["spec"]["template"]["metadata"]["labels"]["team"] == "media"
        assert "team" not in workload["spec"].get("selector", {}).get("matchLabels", {})


EXTRAS = (
    ("extraEnv[0].name=EXTRA", "extraEnv[0].value=yes"),
    ("extraEnvFrom[0].secretRef.name=extra",),
    ("extraVolumes[0].name=extra", "extraVolumes[0].configMap.name=extra"),
    ("extraVolumeMounts[0].name=extra", "extraVolumeMounts[0].mountPath=/extra"),
    ("podLabels.extra=label", "podAnnotations.extra=annotation"),
)


def extras(path: str) -> list[str]:
    return [f"{path}.{setting}" for group in EXTRAS for setting in group]


PLACEMENT = (
    "priorityClassName=high",
    "nodeSelector.pool=media",
    "tolerations[0].key=media",
    "affinity.nodeAffinity.a=b",
    "topologySpreadConstraints[0].maxSkew=1",
    "topologySpreadConstraints[0].topologyKey=zone",
    "topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule",
)


@pytest.mark.parametrize(
    ("path", "component"), [("operator", "operator"), ("webhook", "webhook"), ("webhook.recovery", "recovery")]
)
def test_every_workload_takes_scheduling_and_extra_values(chart: Chart, path: str, component: str) -> None:
    placement = [f"{path}.{each}" for each in PLACEMENT]
    pod = pods(chart, "replicate.apiToken=t", *extras(path), *placement, f"{path}.resources.limits.cpu=2")[component]
    spec = pod["spec"]
    (container,) = spec["containers"]
    assert {"name": "EXTRA", "value": "yes"} in container["env"]
    assert {"secretRef": {"name": "extra"}} in container["envFrom"]
    assert {"name": "extra", "mountPath": "/extra"} in container["volumeMounts"]
    assert {"name": "extra", "configMap": {"name": "extra"}} in spec["volumes"]
    assert (pod["metadata"]["labels"]["extra"], pod["metadata"]["annotations"]["extra"]) == ("label", "annotation")
    assert container["resources"]["limits"]["cpu"] == 2
    assert (spec["priorityClassName"], spec["nodeSelector"]) == ("high", {"pool": "media"})
    assert spec["tolerations"] == [{"key": "media"}]
    assert spec["affinity"] == {"nodeAffinity": {"a": "b"}}
    (spread,) = spec["topologySpreadConstraints"]
    assert spread["topologyKey"] == "zone"
    assert spread["labelSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert spread["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == component


def test_api_server_accepts_the_objects_of_all_values(chart: Chart, world: World) -> None:
    here = replace(chart, namespace=world.namespace)
    paths = ("operator", "webhook", "webhook.recovery")
    placement = [f"{path}.{each}" for path in paths for each in PLACEMENT if "affinity" not in each]
    settings = [
        *("crds.enabled=false", "replicate.apiToken=t", "auth.tokens[0].token=t", "auth.tokens[0].user=u"),
        *("s3.accessKeyId=k", "s3.secretAccessKey=s", "s3.identityAddress=169.254.170.23", "s3.networks={10.0.0.0/8}"),
        *("webhook.ingress.enabled=true", "webhook.ingress.host=media.example.com", "webhook.ingress.tlsSecret=tls"),
        *("webhook.autoscaling.enabled=true", "webhook.service.type=LoadBalancer", "imagePullSecrets[0].name=registry"),
        *("source.allowedNetworks={10.0.0.0/8}", "monitoring.dashboard.enabled=true", "commonLabels.team=media"),
    ]
    objects = here.objects(*settings, *placement, *(each for path in paths for each in extras(path)))
    # The test's pod needs an account that exists.
    text = yaml.safe_dump_all([each for each in objects if each["kind"] != "Pod"])
    output = world.kubectl("apply", "--dry-run=server", "-f", "-", given=text)
    kinds = {line.partition(".")[0].partition("/")[0] for line in output.splitlines()}
    assert {"cronjob", "ingress", "horizontalpodautoscaler", "poddisruptionbudget", "networkpolicy"} <= kinds


def test_recovery_takes_the_values_of_the_webhook_unless_it_has_its_own(chart: Chart) -> None:
    webhook = ("replicate.apiToken=t", *extras("webhook"), "webhook.nodeSelector.pool=media")
    found = pods(chart, *webhook)
    assert found["recovery"]["spec"]["nodeSelector"] == found["webhook"]["spec"]["nodeSelector"]
    assert found["recovery"]["spec"]["containers"][0]["env"] == found["webhook"]["spec"]["containers"][0]["env"]
    other = pods(chart, *webhook, "webhook.recovery.nodeSelector.pool=other")["recovery"]["spec"]
    assert other["nodeSelector"] == {"pool": "other"}


def test_operator_reads_the_extra_values_of_import_jobs(chart: Chart) -> None:
    settings = (
        *extras("importer"),
        "commonLabels.team=media",
        "importer.runAsUser=1000",
        "importer.proberRunAsUser=1001",
    )
    read = Settings.read(Environment(chart.variables("operator", *settings)))
    assert read.importer.extras == Extras(
        labels={"extra": "label", "team": "media"},
        annotations={"extra": "annotation"},
        env=({"name": "EXTRA", "value": "yes"},),
        env_from=({"secretRef": {"name": "extra"}},),
        volumes=({"name": "extra", "configMap": {"name": "extra"}},),
        volume_mounts=({"name": "extra", "mountPath": "/extra"},),
    )
    assert (read.importer.uid, read.importer.prober_uid) == (1000, 1001)
    nobody = chart.variables("operator", "importer.runAsUser=null", "importer.proberRunAsUser=null")
    assert Settings.read(Environment(nobody)).importer.uid is None


def test_spread_of_import_jobs_counts_their_pods_by_default(chart: Chart) -> None:
    path = "importer.placement.topologySpreadConstraints[0]"
    settings = (f"{path}.maxSkew=1", f"{path}.topologyKey=zone", f"{path}.whenUnsatisfiable=ScheduleAnyway")
    variables = chart.variables("operator", *settings)
    (spread,) = Settings.read(Environment(variables)).importer.placement["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == {
        "mediaimport.dev/instance": variables["INSTANCE"],
        "app.kubernetes.io/component": "importer",
    }
    own = chart.variables("operator", *settings, f"{path}.labelSelector.matchLabels.a=b")
    (spread,) = Settings.read(Environment(own)).importer.placement["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchLabels": {"a": "b"}}


def test_network_policies_open_the_address_of_the_pod_identity(chart: Chart) -> None:
    agent = {"to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}], "ports": [{"protocol": "TCP", "port": 80}]}
    policies = chart.of("NetworkPolicy", "s3.identityAddress=169.254.170.23")
    reaching = {each["metadata"]["name"] for each in policies if agent in each["spec"]["egress"]}
    assert reaching == {f"mi-mediaimport-{each}" for each in ("importer", "cleanup", "webhook", "test")}
    assert "169.254.170.23" not in chart.text()


def test_autoscaler_replaces_replicas(chart: Chart) -> None:
    assert chart.of("HorizontalPodAutoscaler") == []
    settings = ("webhook.autoscaling.enabled=true",)
    assert "replicas" not in chart.deployment("webhook", *settings)["spec"]
    (scaler,) = chart.of("HorizontalPodAutoscaler", *settings)
    assert scaler["spec"]["scaleTargetRef"]["name"] == chart.deployment("webhook")["metadata"]["name"]


def test_drain_may_evict_one_pod_of_the_webhook_even_the_only_one(chart: Chart) -> None:
    (budget,) = chart.of("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1


def test_route_leads_from_the_gateway_to_the_webhook(chart: Chart) -> None:
    settings = ("webhook.httpRoute.enabled=true", "webhook.httpRoute.parentRefs[0].name=public")
    (route,) = chart.of("HTTPRoute", *settings)
    (service,) = [each for each in chart.of("Service") if each["spec"]["ports"][0]["name"] == "http"]
    assert route["spec"]["parentRefs"] == [{"name": "public"}]
    assert route["spec"]["rules"][0]["backendRefs"] == [{"name": service["metadata"]["name"], "port": 80}]


def test_service_monitor_selects_the_metrics_of_both_programs(chart: Chart) -> None:
    (monitor,) = chart.of("ServiceMonitor", "monitoring.serviceMonitor.enabled=true")
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    found = [
        each["metadata"]["name"]
        for each in chart.of("Service")
        if selected <= each["metadata"]["labels"].items() and each["spec"]["ports"][0]["name"] == "metrics"
    ]
    assert found == ["mi-mediaimport-operator-metrics", "mi-mediaimport-webhook-metrics"]


def test_pod_monitor_selects_both_programs_and_nothing_else(chart: Chart) -> None:
    (monitor,) = chart.of("PodMonitor", "monitoring.podMonitor.enabled=true")
    (components,) = monitor["spec"]["selector"]["matchExpressions"]
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    found = pods(chart, "replicate.apiToken=t")
    assert [name for name, pod in found.items() if selected <= pod["metadata"]["labels"].items()] == [*found]
    assert components["values"] == ["operator", "webhook"]
    for name in components["values"]:
        (container,) = found[name]["spec"]["containers"]
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in [each["name"] for each in container["ports"]]


def test_ingress_leads_its_host_to_the_webhook_over_tls(chart: Chart) -> None:
    settings = [f"webhook.ingress.{each}" for each in ("enabled=true", "host=media.example.com", "tlsSecret=tls")]
    (ingress,) = chart.of("Ingress", *settings)
    (rule,) = ingress["spec"]["rules"]
    service = rule["http"]["paths"][0]["backend"]["service"]
    assert (rule["host"], ingress["spec"]["tls"][0]["secretName"]) == ("media.example.com", "tls")
    assert service == {"name": chart.deployment("webhook")["metadata"]["name"], "port": {"name": "http"}}


def test_webhook_with_few_allowed_peers_is_reachable_by_helm_test(chart: Chart) -> None:
    (policy,) = [
        each
        for each in chart.of("NetworkPolicy", "networkPolicy.webhookFrom[0].podSelector.matchLabels.app=gateway")
        if each["metadata"]["name"].endswith("-webhook")
    ]
    callers = policy["spec"]["ingress"][0]["from"]
    (test,) = [each for each in chart.of("Pod") if each["metadata"]["annotations"]["helm.sh/hook"] == "test"]
    assert callers[0] == {"podSelector": {"matchLabels": {"app": "gateway"}}}
    assert callers[1]["podSelector"]["matchLabels"].items() <= test["metadata"]["labels"].items()


def test_database_of_the_catalogue_is_migrated_before_the_webhook_starts(chart: Chart) -> None:
    """The hook and the webhook read one Secret; without its name there is neither hook nor egress."""
    without = [each["metadata"]["name"] for each in chart.objects()]
    assert [each for each in without if each.endswith("-migration")] == []
    settings = ("catalogue.urlSecretRef.name=db", "catalogue.port=6432", "catalogue.networks={10.1.0.0/16}")
    made = chart.objects(*settings)
    (job,) = [each for each in made if each["kind"] == "Job" and each["metadata"]["name"].endswith("-migration")]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert pod["containers"][0]["command"][-1] == "migrate"
    (webhook,) = [
        each for each in made if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-webhook")
    ]
    for volumes in (pod["volumes"], webhook["spec"]["template"]["spec"]["volumes"]):
        (volume,) = [each for each in volumes if each["name"] == "catalogue"]
        assert volume["secret"] == {"secretName": "db", "items": [{"key": "url", "path": "url"}]}
    opened = {"ports": [{"protocol": "TCP", "port": 6432}], "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}
    policies = [each for each in made if each["kind"] == "NetworkPolicy" and opened in each["spec"].get("egress", [])]
    assert sorted(each["metadata"]["name"].rpartition("-")[2] for each in policies) == [
        "catalogue",
        "migration",
        "webhook",
    ]


def test_operator_knows_of_the_catalogue_and_how_long_finished_imports_stay(chart: Chart) -> None:
    def told(*settings: str) -> dict[str, str]:
        pod, _ = operator_of(chart.objects(*settings))
        variables = pod["containers"][0]["env"]
        return {each["name"]: each["value"] for each in variables if each["name"].startswith("CATALOGUE_")}

    assert told() == {}
    assert told("catalogue.urlSecretRef.name=db") == {"CATALOGUE_ENABLED": "true", "CATALOGUE_TTL_SECONDS": "86400"}
    kept = told("catalogue.urlSecretRef.name=db", "catalogue.ttlSecondsAfterFinished=0")
    assert kept["CATALOGUE_TTL_SECONDS"] == "0"
    with pytest.raises(KubeError) as refusal:
        told("catalogue.urlSecretRef.name=db", "catalogue.ttlSecondsAfterFinished=60")
    assert "ttlSecondsAfterFinished" in str(refusal.value)


@pytest.mark.parametrize("command", ["rebuild", "verify-catalogue"])
def test_jobs_that_walk_the_bucket_have_keys_of_their_own_and_no_token(chart: Chart, command: str) -> None:
    """They start by hand alone; what ended with a report does not run again."""
    assert [each for each in chart.of("CronJob") if each["metadata"]["name"].endswith(f"-{command}")] == []
    own = ("catalogue.rebuild.s3ExistingSecret=lister", "catalogue.rebuild.serviceAccountName=lister")
    for settings, account in (((), "mediaimport-webhook"), (own, "lister")):
        jobs = chart.of("CronJob", "catalogue.urlSecretRef.name=db", *settings)
        (cron,) = [each for each in jobs if each["metadata"]["name"].endswith(f"-{command}")]
        job = cron["spec"]["jobTemplate"]["spec"]
        pod = job["template"]["spec"]
        (container,) = pod["containers"]
        assert (cron["spec"]["suspend"], pod["automountServiceAccountToken"]) == (True, False)
        assert container["command"][-1] == command
        (rule,) = job["podFailurePolicy"]["rules"]
        assert rule["onExitCodes"] == {"containerName": command, "operator": "In", "values": [1, 2]}
        assert pod["serviceAccountName"].endswith(account)
        secrets = [each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each]
        assert (secrets == ["lister"]) is bool(settings)


def test_jobs_that_walk_the_bucket_have_the_number_of_processes(chart: Chart) -> None:
    for settings, number in (((), "0"), (("catalogue.rebuild.processes=7",), "7")):
        for job in chart.of("CronJob", "catalogue.urlSecretRef.name=db", *settings):
            containers = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
            env = {each["name"]: each.get("value") for container in containers for each in container.get("env", [])}
            assert env.get("CATALOGUE_WALK_PROCESSES", number) == number
            assert ("CATALOGUE_WALK_PROCESSES" in env) is (job["metadata"]["name"].endswith(("-rebuild", "-catalogue")))


ENDPOINT = (
    "events.endpoints[0].name=crm",
    "events.endpoints[0].url=https://crm.example.com:8443/hook",
    "events.endpoints[0].secret.name=crm-keys",
    "events.endpoints[0].secret.key=new",
)


def operator_of(objects: list[Object]) -> tuple[Object, list[Object]]:
    """Return the operator's pod and its egress."""
    named = {each["kind"]: each for each in objects if each["metadata"]["name"].endswith("-operator")}
    return named["Deployment"]["spec"]["template"]["spec"], named["NetworkPolicy"]["spec"]["egress"]


def test_endpoints_keys_are_mounted_and_their_ports_opened(chart: Chart) -> None:
    """Without endpoints the operator has neither variables nor volumes nor a way to the internet."""
    pod, closed = operator_of(chart.objects())
    assert [each for each in pod["containers"][0]["env"] if each["name"].startswith("EVENTS_")] == []
    assert [each["name"] for each in pod["volumes"]] == ["tmp"]
    settings = (*ENDPOINT, "events.endpoints[0].secret.previousKey=old", "events.allowedNetworks={10.96.0.0/16}")
    pod, opened = operator_of(chart.objects(*settings))
    variables = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert json.loads(variables["EVENTS_ENDPOINTS"]) == [{"name": "crm", "url": "https://crm.example.com:8443/hook"}]
    assert variables["EVENTS_ALLOWED_NETWORKS"] == "10.96.0.0/16"
    (volume,) = [each for each in pod["volumes"] if each["name"] == "events-crm"]
    items = [{"key": "new", "path": "current"}, {"key": "old", "path": "previous"}]
    assert volume["secret"] == {"secretName": "crm-keys", "items": items}
    internet, private = opened[len(closed) :]
    assert internet["ports"] == [{"protocol": "TCP", "port": 8443}]
    assert private == {"to": [{"ipBlock": {"cidr": "10.96.0.0/16"}}]}


def test_failed_predictions_are_recorded_and_read_only_for_endpoints(chart: Chart) -> None:
    def rights(objects: list[Object]) -> tuple[list[str], bool]:
        """Return the operator's rights to Leases, and whether the webhook records failures."""
        (role,) = [each for each in objects if each["kind"] == "Role" and each["metadata"]["name"].endswith("-own")]
        (webhook,) = [
            each for each in objects if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-webhook")
        ]
        variables = webhook["spec"]["template"]["spec"]["containers"][0]["env"]
        leases = next(each["verbs"] for each in role["rules"] if each["resources"] == ["leases"])
        return leases, {"name": "TELL_FAILED_PREDICTIONS", "value": "true"} in variables

    assert rights(chart.objects()) == (["get", "create", "update"], False)
    for settings in (ENDPOINT, USERS_OWN):
        assert rights(chart.objects(*settings)) == (["get", "create", "update", "list", "watch", "patch"], True)


USERS_OWN = ("events.userEndpoints.enabled=true",)


def test_endpoints_of_users_share_a_key_of_operator_and_webhook(chart: Chart) -> None:
    objects = chart.objects(*USERS_OWN, "events.userEndpoints.allowedNetworks={10.96.0.0/16}")
    named = {each["metadata"]["name"].rpartition("-")[2]: each for each in objects if each["kind"] == "Deployment"}
    for program in ("operator", "webhook"):
        pod = named[program]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        variables = {each["name"]: each.get("value") for each in container["env"]}
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "endpoint-keys"]
        (volume,) = [each for each in pod["volumes"] if each["name"] == "endpoint-keys"]
        assert variables["USER_ENDPOINTS_KEYS_DIRECTORY"] == mount["mountPath"]
        assert variables["USER_ENDPOINTS_ALLOWED_NETWORKS"] == "10.96.0.0/16"
        assert volume["secret"]["secretName"].endswith("-endpoint-keys")
    _, closed = operator_of(chart.objects())
    _, opened = operator_of(objects)
    internet, private = opened[len(closed) :]
    assert [each["port"] for each in internet["ports"]] == [80, 443]
    assert private == {"to": [{"ipBlock": {"cidr": "10.96.0.0/16"}}]}


def test_master_key_is_made_by_a_job_unless_the_installer_brings_it(chart: Chart) -> None:
    def made(*settings: str) -> list[str]:
        jobs = [each for each in chart.objects(*settings) if each["kind"] == "Job"]
        containers = [each["spec"]["template"]["spec"]["containers"][0] for each in jobs]
        return [each["value"] for one in containers for each in one["env"] if each["name"] == "ENDPOINT_KEYS_SECRET"]

    assert made() == []
    assert [each.rpartition("-endpoint-keys")[1] for each in made(*USERS_OWN)] == ["-endpoint-keys"]
    assert made(*USERS_OWN, "events.userEndpoints.keysExistingSecret=mine") == []


@pytest.mark.parametrize(
    ("settings", "expected"), [((), "0"), (("quota.bytesPerUser=5000000000000",), "5000000000000")]
)
def test_quota_reaches_the_webhook_to_the_byte(chart: Chart, settings: tuple[str, ...], expected: str) -> None:
    (webhook,) = [
        each
        for each in chart.objects(*settings)
        if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-webhook")
    ]
    variables = webhook["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "QUOTA_BYTES_PER_USER", "value": expected} in variables
