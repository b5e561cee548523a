"""Endpoints that are told of assets, read from variables and mounted Secrets."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mediaimport_api.event_records import EVENT_TYPES
from mediaimport_api.source_policy import DEFAULT_PORTS, SourcePolicy
from mediaimport_api.status import MAX_INSTALLED_ENDPOINTS
from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.master_keys import MasterKeys

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from mediaimport_api.event_records import Replay
    from mediaimport_api.status import Delivery
    from mediaimport_runtime.environment import Environment

VARIABLE = "EVENTS_ENDPOINTS"
_DIRECTORY = "EVENTS_KEYS_DIRECTORY"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
_FIELDS = frozenset({"name", "url", "users", "types"})
_KEY_FILES = ("current", "previous")
_MIN_KEY_BYTES = 24
"""The least that Standard Webhooks allows."""


@dataclass(frozen=True)
class Endpoint:
    """One endpoint. Each event is signed with each of its keys, of which there are one, two, or up to four."""

    name: str
    url: str = field(repr=False)
    keys: tuple[str, ...] = field(repr=False)
    users: frozenset[str] = frozenset()
    """Empty: all."""
    types: frozenset[str] = frozenset(EVENT_TYPES)

    owner: str = ""
    """The user who has made it; empty for one of the installer."""
    since: datetime | None = None
    """The earliest time of an event that it is told of; None: any."""
    replay: Replay | None = None

    def wants(self, user_id: str, event_type: str, *, at: datetime) -> bool:
        """Return whether it is told of that type of event (`asset.ready`) of that user and that time."""
        is_of_user = not self.users or user_id in self.users
        is_in_time = self.since is None or self.since <= at or self.replays(at)
        return is_of_user and event_type in self.types and is_in_time

    def replays(self, at: datetime) -> bool:
        """Return whether it is told again of events of that time."""
        return self.replay is not None and self.replay.covers(at)

    def tried_from(self, at: datetime) -> datetime:
        """Return from when the tries count by which it is told of an event of that time; a replay begins anew."""
        return self.replay.at if self.replay is not None and self.replay.covers(at) else at


@dataclass(frozen=True)
class UserEndpointSettings:
    """Endpoints that users make: what their signing keys are derived from, and where they may be."""

    keys: MasterKeys
    policy: SourcePolicy = field(default_factory=SourcePolicy)


@dataclass(frozen=True)
class EventSettings:
    """The installer's endpoints, and the policy of the addresses on which they may be."""

    endpoints: tuple[Endpoint, ...] = ()
    policy: SourcePolicy = field(default_factory=SourcePolicy)
    users_own: UserEndpointSettings | None = None
    """None: users can make none."""

    @classmethod
    def read(cls, env: Environment) -> EventSettings:
        """Return the settings; BadSettingError names the variable that is wrong."""
        policy = SourcePolicy(allowed_networks=env.networks("EVENTS_ALLOWED_NETWORKS"))
        folder = Path(env.text(_DIRECTORY, "/etc/mediaimport/events"))
        endpoints = tuple(_endpoint(each, folder, policy) for each in _listed(env.text(VARIABLE, "[]")))
        if len({each.name for each in endpoints}) < len(endpoints):
            raise BadSettingError(f"{VARIABLE} has two endpoints of one name; give each its own")
        keys = MasterKeys.read(env)
        if keys is None:
            return cls(endpoints, policy)
        users = SourcePolicy(allowed_networks=env.networks("USER_ENDPOINTS_ALLOWED_NETWORKS"))
        return cls(endpoints, policy, UserEndpointSettings(keys, users))

    @property
    def enabled(self) -> bool:
        """True if anybody may ever be told of an event."""
        return bool(self.endpoints) or self.users_own is not None

    def and_of_user(self, own: tuple[Endpoint, ...]) -> EventSettings:
        """Return the settings with a user's own endpoints."""
        return replace(self, endpoints=(*self.endpoints, *own)) if own else self

    def wanting(self, user_id: str, event_type: str, *, at: datetime) -> tuple[Endpoint, ...]:
        """Return the endpoints that are told of that type of event (`asset.ready`) of that user and that time."""
        return tuple(each for each in self.endpoints if each.wants(user_id, event_type, at=at))

    def pending(
        self, user_id: str, event_type: str, *, at: datetime, deliveries: Iterable[Delivery]
    ) -> dict[str, datetime]:
        """Return the endpoints that are still to be told of an event, by name, and from when their tries count."""
        ended = {each.endpoint: each.at for each in deliveries}

        def is_told(endpoint: Endpoint) -> bool:
            ended_at = ended.get(endpoint.name)
            return ended_at is not None and not (endpoint.replays(at) and ended_at < endpoint.tried_from(at))

        wanting = self.wanting(user_id, event_type, at=at)
        return {each.name: each.tried_from(at) for each in wanting if not is_told(each)}


def _listed(text: str) -> list[dict[str, Any]]:
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise BadSettingError(f"{VARIABLE} must be a JSON list of objects")
    if len(given) > MAX_INSTALLED_ENDPOINTS:
        raise BadSettingError(f"{VARIABLE} has {len(given)} endpoints; it must have at most {MAX_INSTALLED_ENDPOINTS}")
    return given


def _endpoint(given: dict[str, Any], folder: Path, policy: SourcePolicy) -> Endpoint:
    name = given.get("name")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise BadSettingError(f"{VARIABLE}: a name must be a DNS label of at most 40 characters")
    if unknown := given.keys() - _FIELDS:
        raise BadSettingError(f"{VARIABLE}: {name} has {min(unknown)}, which is none of {sorted(_FIELDS)}")
    url = given.get("url")
    if not isinstance(url, str) or (refusal := _url_refusal(url, policy)) is not None:
        raise BadSettingError(
            f"{VARIABLE}: the URL of {name} is refused: {refusal if isinstance(url, str) else 'none'}"
        )
    types = _words(given, "types")
    if unknown_types := types - set(EVENT_TYPES):
        raise BadSettingError(
            f"{VARIABLE}: {name} has the type {min(unknown_types)}, which is none of {list(EVENT_TYPES)}"
        )
    return Endpoint(name, url, _keys(name, folder), _words(given, "users"), types or frozenset(EVENT_TYPES))


def _url_refusal(url: str, policy: SourcePolicy) -> str | None:
    """Return why a URL is refused. Its port is the installer's choice."""
    try:
        port = urlsplit(url).port
    except ValueError:
        return "it is not a valid URL"
    ports = frozenset(DEFAULT_PORTS.values()) if port is None else frozenset({port})
    return SourcePolicy(policy.allowed_networks, ports).url_refusal(url)


def _words(given: dict[str, Any], name: str) -> frozenset[str]:
    words = given.get(name) or []
    if not isinstance(words, list) or not all(isinstance(each, str) for each in words):
        raise BadSettingError(f"{VARIABLE}: {name} must be a list of texts")
    return frozenset(words)


def _keys(name: str, folder: Path) -> tuple[str, ...]:
    """Return the signing keys in the endpoint's folder, the current one first; BadSettingError without one."""
    files = [folder / name / each for each in _KEY_FILES]
    keys = tuple(each.read_text().strip() for each in files if each.is_file())
    if not keys:
        raise BadSettingError(f"{_DIRECTORY}: the endpoint {name} has no signing key")
    for each in keys:
        _check_key(name, each)
    return keys


def _check_key(name: str, key: str) -> None:
    try:
        length = len(base64.b64decode(key.removeprefix("whsec_"), validate=True))
    except ValueError:
        length = 0
    if length < _MIN_KEY_BYTES:
        raise BadSettingError(
            f"{_DIRECTORY}: a signing key of {name} is not `whsec_` and the base64 of at least {_MIN_KEY_BYTES} bytes"
        )
