from __future__ import annotations

import pytest
from mediaimport_operator.settings.operator import Caps, Settings
from mediaimport_runtime.environment import BadSettingError, Environment

NEEDED = {"OPERATOR_NAMESPACE": "media", "IMPORTER_IMAGE": "i", "PROBER_IMAGE": "p", "S3_BUCKET_NAME": "b"}


def read(**variables: str) -> Settings:
    return Settings.read(Environment(NEEDED | variables))


def test_required_variables_are_enough() -> None:
    settings = read()
    assert settings.namespaces == ("media",)
    assert (settings.caps, settings.retry_wait_s, settings.metrics_port) == (Caps(10), 10, 0)


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_missing_variable_is_named(name: str) -> None:
    with pytest.raises(BadSettingError, match=f"{name} is not set"):
        read(**{name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_IN_FLIGHT", "0"),
        ("MAX_IN_FLIGHT", "many"),
        ("MAX_IN_FLIGHT_PER_HOST", "-1"),
        ("METRICS_PORT", "65536"),
        ("DEADLINE_SECONDS", "9"),
        ("SCRATCH_SIZE", "10GB"),
        ("IMPORTER_RESOURCES", '{"limits": {"memory": "lots"}}'),
        ("IMPORTER_RESOURCES", '{"limits": {"cpu": "1"}}'),
        ("IMPORTER_RESOURCES", '{"limits": {"memory": "1Gi"}, "claims": []}'),
        ("PROBER_RESOURCES", '{"limits": {"memory": "1Gi", "cpu": []}}'),
        ("PROBER_RESOURCES", "[]"),
        ("PROBER_RESOURCES", "1Gi"),
        ("IMAGE_PULL_POLICY", "Sometimes"),
        ("PROBER_IMAGE_PULL_POLICY", "Sometimes"),
        ("IMPORTER_PLACEMENT", "[]"),
        ("IMPORTER_PLACEMENT", "{"),
        ("IMPORTER_PLACEMENT", '{"hostNetwork": true}'),
        ("INSTANCE", "not a label"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(BadSettingError, match=name) as caught:
        read(**{name: value})
    assert "\n" not in str(caught.value)


def test_lists_are_separated_by_commas() -> None:
    settings = read(WATCH_NAMESPACES="a, b", IMAGE_PULL_SECRETS="x,y")
    assert (settings.namespaces, settings.importer.pull_secrets) == (("a", "b"), ("x", "y"))


def test_importers_may_be_kept_to_some_nodes() -> None:
    placement = read(IMPORTER_PLACEMENT='{"nodeSelector": {"pool": "media"}, "tolerations": []}').importer.placement
    assert placement == {"nodeSelector": {"pool": "media"}}
