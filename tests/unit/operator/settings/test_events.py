from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.event_records import EVENT_TYPES
from mediaimport_operator.settings.events import EventSettings
from mediaimport_runtime.environment import BadSettingError, Environment

from tests.support.endpoints import KEY, OTHER_KEY

if TYPE_CHECKING:
    from pathlib import Path

CRM = {"name": "crm", "url": "https://crm.example.com/hook"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "current").write_text(f"{KEY}\n")
    return tmp_path


def read(keys: Path, *endpoints: Any, **variables: str) -> EventSettings:  # noqa: ANN401 - JSON
    environment = {"EVENTS_ENDPOINTS": json.dumps(endpoints), "EVENTS_KEYS_DIRECTORY": str(keys)}
    return EventSettings.read(Environment(environment | variables))


def test_without_variables_nobody_is_told() -> None:
    assert EventSettings.read(Environment({})).endpoints == ()


def test_endpoint_is_told_of_all_unless_users_or_types_are_named(keys: Path) -> None:
    (crm,) = read(keys, CRM).endpoints
    assert all(crm.wants("anyone", each, at=NOW) for each in EVENT_TYPES)
    (limited,) = read(keys, CRM | {"users": ["ada"], "types": ["asset.failed"]}).endpoints
    assert limited.wants("ada", "asset.failed", at=NOW)
    assert not limited.wants("ada", "asset.ready", at=NOW)
    assert not limited.wants("grace", "asset.failed", at=NOW)


def test_current_key_comes_first_and_neither_is_shown(keys: Path) -> None:
    (keys / "crm" / "previous").write_text(OTHER_KEY)
    (crm,) = read(keys, CRM).endpoints
    assert crm.keys == (KEY, OTHER_KEY)
    assert not any(each in repr(crm) for each in (KEY, OTHER_KEY, "crm.example.com"))


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (CRM | {"name": "Not A Label"}, "a name must be a DNS label"),
        (CRM | {"color": "red"}, "crm has color"),
        (CRM | {"url": "ftp://crm.example.com/"}, "its scheme is ftp"),
        (CRM | {"url": "https://me:secret@crm.example.com/"}, "it carries credentials"),
        (CRM | {"url": "http://10.0.0.1/"}, "10.0.0.1 is not a public address"),
        (CRM | {"url": "http://crm.media.svc.cluster.local/"}, "is not a public name"),
        (CRM | {"url": "http://[::1/"}, "it is not a valid URL"),
        (CRM | {"url": None}, "the URL of crm is refused"),
        (CRM | {"types": ["asset.lost"]}, "crm has the type asset.lost"),
        (CRM | {"users": "ada"}, "users must be a list of texts"),
        (CRM | {"name": "other"}, "other has no signing key"),
        ("crm", "must be a JSON list of objects"),
    ],
)
def test_bad_endpoint_ends_the_start(keys: Path, endpoint: object, message: str) -> None:
    with pytest.raises(BadSettingError, match="EVENTS_") as raised:
        read(keys, endpoint)
    assert message in str(raised.value)


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, but long enough to be a key"])
def test_weak_key_ends_the_start_without_being_shown(keys: Path, key: str) -> None:
    (keys / "crm" / "current").write_text(key)
    with pytest.raises(BadSettingError, match="a signing key of crm is not") as raised:
        read(keys, CRM)
    assert not key or key == "whsec_" or key not in str(raised.value)


def test_two_endpoints_of_one_name_and_nine_endpoints_end_the_start(keys: Path) -> None:
    with pytest.raises(BadSettingError, match="two endpoints of one name"):
        read(keys, CRM, CRM)
    with pytest.raises(BadSettingError, match="9 endpoints"):
        read(keys, *([CRM] * 9))


def test_private_endpoint_is_allowed_by_its_network_on_any_port(keys: Path) -> None:
    private = CRM | {"url": "http://10.1.2.3:8443/hook"}
    settings = read(keys, private, EVENTS_ALLOWED_NETWORKS="10.1.0.0/16")
    assert settings.endpoints[0].url == private["url"]
