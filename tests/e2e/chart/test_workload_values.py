"""Values of the workloads and their objects, by the names that other charts use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mediaimport_operator.settings.operator import Settings
from mediaimport_runtime.environment import Environment

if TYPE_CHECKING:
    from tests.support.installation.chart import Chart, Object

EVERY_WORKLOAD = "replicate.apiToken=t"
CALLBACK = "/api/v1/replicate/webhook"


def specs(chart: Chart, *settings: str) -> dict[str, Object]:
    """Return the pods' specs of operator, webhook, recovery, first-secrets and test, by component."""
    found = {}
    for each in chart.objects(EVERY_WORKLOAD, *settings):
        spec = each.get("spec") or {}
        spec = (spec.get("jobTemplate") or {"spec": spec})["spec"]
        pod = spec.get("template", {}).get("spec") or (spec if each["kind"] == "Pod" else None)
        if pod:
            found[each["metadata"]["labels"]["app.kubernetes.io/component"]] = pod
    return found


def importer_settings(chart: Chart, *settings: str) -> Settings:
    return Settings.read(Environment(chart.variables("operator", *settings)))


@pytest.mark.parametrize(
    ("settings", "account"),
    [
        (("operator.serviceAccount.name=mine",), "mine"),
        (("operator.serviceAccount.create=false", "operator.serviceAccount.name=mine"), "mine"),
        (("operator.serviceAccount.create=false",), "default"),
        ((), "mi-mediaimport-operator"),
    ],
)
def test_service_account_is_the_named_one_in_pod_and_bindings(
    chart: Chart, settings: tuple[str, ...], account: str
) -> None:
    objects = chart.objects(*settings)
    assert specs(chart, *settings)["operator"]["serviceAccountName"] == account
    bindings = [
        each
        for each in objects
        if each["kind"] == "RoleBinding" and each["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"
    ]
    assert {subject["name"] for each in bindings for subject in each["subjects"]} == {account}
    created = [each for each in objects if each["kind"] == "ServiceAccount" and each["metadata"]["name"] == account]
    assert len(created) == (0 if "operator.serviceAccount.create=false" in settings else 1)


def test_service_accounts_of_webhook_and_importer_have_names_too(chart: Chart) -> None:
    settings = ("webhook.serviceAccount.name=hook", "importer.serviceAccount.name=pods")
    pods = specs(chart, *settings)
    assert {pods[each]["serviceAccountName"] for each in ("webhook", "recovery")} == {"hook"}
    assert importer_settings(chart, *settings).importer.service_account == "pods"
    assert {"hook", "pods"} <= {each["metadata"]["name"] for each in chart.of("ServiceAccount", *settings)}


def test_roles_can_be_left_to_the_user(chart: Chart) -> None:
    kinds = {each["kind"] for each in chart.objects("rbac.create=false", "watchNamespaces={own,other}")}
    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
    assert "ServiceAccount" in kinds


def test_annotations_of_all_objects_leave_each_its_own(chart: Chart) -> None:
    settings = ("commonAnnotations.team=media", "webhook.service.annotations.a=b", "webhook.deploymentAnnotations.c=d")
    objects = chart.objects(EVERY_WORKLOAD, "monitoring.rules.enabled=true", *settings)
    annotations = {
        (each["kind"], each["metadata"]["name"]): each["metadata"].get("annotations", {}) for each in objects
    }
    assert [name for name, each in annotations.items() if each.get("team") != "media"] == []
    assert annotations["Service", "mi-mediaimport-webhook"]["a"] == "b"
    assert annotations["Deployment", "mi-mediaimport-webhook"]["c"] == "d"


def test_security_contexts_are_added_to_those_of_the_chart(chart: Chart) -> None:
    settings = ("podSecurityContext.fsGroupChangePolicy=Always", "securityContext.seccompProfile.type=Localhost")
    for pod in specs(chart, *settings).values():
        assert pod["securityContext"]["fsGroupChangePolicy"] == "Always"
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["seccompProfile"] == {"type": "Localhost"}
            assert container["securityContext"]["allowPrivilegeEscalation"] is False


def test_name_resolution_is_that_of_all_pods_and_of_import_jobs(chart: Chart) -> None:
    settings = (
        "dnsPolicy=None",
        "dnsConfig.nameservers={10.0.0.10}",
        "hostAliases[0].ip=10.1.2.3",
        "hostAliases[0].hostnames={store.example.com}",
    )
    expected = {
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.10"]},
        "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["store.example.com"]}],
    }
    found = specs(chart, *settings)
    assert [name for name, pod in found.items() if not expected.items() <= pod.items()] == []
    assert len(found) == 5
    assert importer_settings(chart, *settings).importer.placement == expected


def test_import_jobs_take_a_runtime_class_and_any_resources(chart: Chart) -> None:
    settings = (
        "importer.runtimeClassName=gvisor",
        "importer.resources.limits.cpu=2",
        "importer.resources.limits.memory=512Mi",
        "prober.resources.limits.cpu=1500m",
        "prober.resources.requests.memory=2Gi",
    )
    importer = importer_settings(chart, *settings).importer
    assert importer.placement == {"runtimeClassName": "gvisor"}
    assert importer.resources.limits == {"cpu": "2", "memory": "512Mi"}
    assert importer.resources.requests == {"cpu": "100m", "memory": "256Mi"}
    assert importer.prober_resources.limits == {"cpu": "1500m", "memory": "1Gi"}
    assert importer.prober_resources.requests == {"cpu": "100m", "memory": "1Gi"}


def test_resources_of_import_jobs_are_the_programs_defaults(chart: Chart) -> None:
    variables = chart.variables("operator")
    given = Settings.read(Environment(variables)).importer
    bare = {name: value for name, value in variables.items() if not name.endswith("_RESOURCES")}
    defaults = Settings.read(Environment(bare)).importer
    assert (given.resources, given.prober_resources) == (defaults.resources, defaults.prober_resources)


def test_ingress_can_expose_the_callback_alone(chart: Chart) -> None:
    settings = [
        f"webhook.ingress.{each}"
        for each in ("enabled=true", "host=a.example", f"paths[0].path={CALLBACK}", "paths[0].pathType=Exact")
    ]
    (ingress,) = chart.of("Ingress", *settings)
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert (path["path"], path["pathType"]) == (CALLBACK, "Exact")
    assert path["backend"]["service"]["name"] == "mi-mediaimport-webhook"


def test_route_can_expose_the_callback_alone(chart: Chart) -> None:
    rule = "webhook.httpRoute.rules[0].matches[0].path"
    settings = ("webhook.httpRoute.enabled=true", "webhook.httpRoute.parentRefs[0].name=public")
    (route,) = chart.of("HTTPRoute", *settings, f"{rule}.type=Exact", f"{rule}.value={CALLBACK}")
    assert route["spec"]["rules"] == [
        {
            "matches": [{"path": {"type": "Exact", "value": CALLBACK}}],
            "backendRefs": [{"name": "mi-mediaimport-webhook", "port": 80}],
        }
    ]


def test_service_takes_a_load_balancer_class_and_labels(chart: Chart) -> None:
    settings = [
        f"webhook.service.{each}" for each in ("type=LoadBalancer", "loadBalancerClass=example.com/lb", "labels.a=b")
    ]
    (service,) = [each for each in chart.of("Service", *settings) if each["metadata"]["name"].endswith("-webhook")]
    assert service["spec"]["loadBalancerClass"] == "example.com/lb"
    assert service["metadata"]["labels"]["a"] == "b"
    assert service["metadata"]["labels"]["app.kubernetes.io/component"] == "webhook"


@pytest.mark.parametrize(
    ("kind", "value", "endpoints"),
    [("ServiceMonitor", "serviceMonitor", "endpoints"), ("PodMonitor", "podMonitor", "podMetricsEndpoints")],
)
def test_monitor_in_another_namespace_selects_that_of_the_release(
    chart: Chart, kind: str, value: str, endpoints: str
) -> None:
    settings = [
        f"monitoring.{value}.{each}"
        for each in ("enabled=true", "namespace=observed", "scrapeTimeout=5s", "relabelings[0].action=labelmap")
    ]
    (monitor,) = chart.of(kind, *settings)
    assert monitor["metadata"]["namespace"] == "observed"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["own"]}
    (endpoint,) = monitor["spec"][endpoints]
    assert (endpoint["scrapeTimeout"], endpoint["relabelings"]) == ("5s", [{"action": "labelmap"}])


def test_extra_objects_are_installed_and_texts_are_templates(chart: Chart) -> None:
    settings = ("extraObjects[0].kind=First", "extraObjects[1]=kind: {{ .Release.Name | title }}")
    kinds = [each["kind"] for each in chart.objects(*settings)]
    assert {"First", "Mi"} <= set(kinds)


def test_replica_count_and_history_are_those_of_the_values(chart: Chart) -> None:
    settings = ("webhook.replicaCount=3", "revisionHistoryLimit=2")
    assert chart.deployment("webhook", *settings)["spec"]["replicas"] == 3
    limits = [each["spec"]["revisionHistoryLimit"] for each in chart.of("Deployment", *settings)]
    assert limits == [2, 2]
