"""Endpoints: the installer's, which never change, and those that users have made, by their records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaimport_api.event_records import EVENT_TYPES, UserEndpoint, UserEndpoints
from mediaimport_api.names import ANNOTATION_RECORD

from mediaimport_operator.decide.notification import GIVEN_UP_AFTER
from mediaimport_operator.settings.events import Endpoint, EventSettings, UserEndpointSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from mediaimport_runtime.kubernetes.objects import Object


class Endpoints:
    """All endpoints. `on_change` is called with each user whose own endpoints have changed."""

    def __init__(self, settings: EventSettings) -> None:
        self.settings = settings
        self.on_change: list[Callable[[str], None]] = []
        self._installed = {each.name: each for each in settings.endpoints}
        self._of_users: dict[str, tuple[Endpoint, ...]] = {}
        self._users: dict[str, str] = {}
        """The user of each record, by its name."""

    @property
    def enabled(self) -> bool:
        """True if anybody may ever be told of an event."""
        return self.settings.enabled

    @property
    def installed(self) -> Mapping[str, Endpoint]:
        """The installer's endpoints by name."""
        return self._installed

    def of(self, user_id: str) -> EventSettings:
        """Return the settings with the user's own endpoints: decisions about the user's assets are made by them."""
        return self.settings.and_of_user(self._of_users.get(user_id, ()))

    def own(self, user_id: str) -> Mapping[str, Endpoint]:
        """Return the user's own endpoints by name."""
        return {each.name: each for each in self._of_users.get(user_id, ())}

    def replaying(self, *, now: datetime) -> dict[str, datetime]:
        """Return from when on users are told again, by user; a replay ends as late as an event is given up."""
        since: dict[str, datetime] = {}
        for user_id, endpoints in self._of_users.items():
            asked = [each.replay for each in endpoints if each.replay and now < each.replay.at + GIVEN_UP_AFTER]
            if asked:
                since[user_id] = min(each.since for each in asked)
        return since

    def put(self, lease: Object) -> None:
        """Take a user's record; ValueError for one that is none."""
        if self.settings.users_own is None:
            return
        record = UserEndpoints.model_validate_json(lease["metadata"]["annotations"][ANNOTATION_RECORD])
        name, made_by = lease["metadata"]["name"], self.settings.users_own
        self._users[name] = record.user
        self._set(record.user, tuple(_endpoint(each, record.user, made_by) for each in record.endpoints))

    def remove(self, name: str) -> None:
        """Forget a record that is gone."""
        user_id = self._users.pop(name, None)
        if user_id is not None:
            self._set(user_id, ())

    def _set(self, user_id: str, endpoints: tuple[Endpoint, ...]) -> None:
        if self._of_users.get(user_id, ()) == endpoints:
            return
        if endpoints:
            self._of_users[user_id] = endpoints
        else:
            del self._of_users[user_id]
        for each in self.on_change:
            each(user_id)


def _endpoint(made: UserEndpoint, user_id: str, settings: UserEndpointSettings) -> Endpoint:
    return Endpoint(
        name=made.id,
        url=made.url,
        keys=settings.keys.signing_keys(made.id, made.key_number),
        users=frozenset({user_id}),
        types=frozenset(made.types) or frozenset(EVENT_TYPES),
        owner=user_id,
        since=made.told_from,
        replay=made.replay,
    )
