"""Checks of an installation, in order, with one test import."""

from __future__ import annotations

import base64
import hashlib
import ssl
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason, Retry

from mediaimport_checks import film, webhook
from mediaimport_checks.checklist import Check, CheckError, LeftOut, repeated

if TYPE_CHECKING:
    from mediaimport_checks.checklist import Outcome
    from mediaimport_checks.cluster import Cluster
    from mediaimport_checks.settings import Settings
    from mediaimport_checks.store import Store
    from mediaimport_checks.webhook import Caller, Webhook

_POLL_S = 0.25
_START_S = 30
"""In which the pods of a release that is just installed become ready."""
_SHOWN_S = 10
"""In which the webhook shows what a status says: its watch may lag behind."""
_DURATION_SLACK_MS = 100
_OPERATOR_LOGS = "kubectl logs -l app.kubernetes.io/component=operator"


@dataclass
class Installation:
    """Clients of the installation, and its test import. `webhook` is None where it is disabled."""

    settings: Settings
    cluster: Cluster
    store: Store
    webhook: Webhook | None
    caller: Caller
    asset_id: str
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def checks(self) -> list[Check]:
        """Return the checks; later ones depend on earlier ones."""
        return [
            Check("operator is ready", repeated(self.operator_is_ready, timeout_s=_START_S)),
            Check("webhook is ready", repeated(self.webhook_is_ready, timeout_s=_START_S)),
            Check("ffmpeg and ffprobe are in the importer's second image", self.tools_are_there),
            Check("store can be written and read", lambda: self.store.write(self._probe_key)),
            Check("store honours conditional writes", lambda: self.store.write_again(self._probe_key)),
            Check("test import succeeds", self.import_succeeds),
            Check("media is measured", self.media_is_measured),
            Check("thumbnail is stored", self.thumbnail_is_stored),
            Check("presigned URL of the media works", partial(self.presigned_url_works, "url")),
            Check("presigned URL of the thumbnail works", partial(self.presigned_url_works, "thumbnail_url")),
        ]

    @property
    def clean(self) -> Check:
        """Return the last check, which runs whatever the others found."""
        return Check("nothing is left behind", self.clean_up)

    @property
    def import_name(self) -> str:
        """Return the test import's name."""
        return f"helm-test-{self.asset_id[:8]}"

    @property
    def _keys(self) -> AssetKeys:
        return AssetKeys(self.caller.user_id, self.asset_id)

    @property
    def _probe_key(self) -> str:
        return f"{self._keys.prefix}helm-test"

    def operator_is_ready(self) -> Outcome:
        """Check that the operator's pod is ready, and of the newest release."""
        found = self.cluster.deployment(self.settings.operator_namespace, self.settings.operator_deployment)
        status = found.get("status", {})
        if status.get("observedGeneration") != found["metadata"]["generation"] or not status.get("readyReplicas"):
            raise CheckError(f"deployment {self.settings.operator_deployment} has no ready pod", _OPERATOR_LOGS)
        return f"deployment {self.settings.operator_deployment}"

    def webhook_is_ready(self) -> Outcome:
        """Query the webhook through its Service."""
        return LeftOut("webhook.enabled is false") if self.webhook is None else self.webhook.readiness()

    def tools_are_there(self) -> Outcome:
        """Return the findings of the second container."""
        tools = film.read_tools(self.settings.film_directory)
        if tools.error:
            raise CheckError(tools.error, "set proberImage to the Dockerfile's target mediaimport-ffmpeg")
        return f"ffmpeg {tools.ffmpeg}, ffprobe {tools.ffprobe}"

    def import_succeeds(self) -> Outcome:
        """Import the film out of a data: URI, which needs no internet."""
        content = self._film()
        spec = {
            "source": {"url": f"data:video/mp4;base64,{base64.b64encode(content).decode()}"},
            "assetId": self.asset_id,
            "userId": self.caller.user_id,
            "name": "helm-test.mp4",
            "tags": ["helm-test"],
            "expected": {"sha256": hashlib.sha256(content).hexdigest()},
            "limits": {"attempts": 1},
        }
        started = time.monotonic()
        self.cluster.create_import(self.settings.namespace, self.import_name, spec)
        self.status = self._end_of_import(started + self.settings.import_timeout_s)
        return f"{self.import_name} is Ready after {time.monotonic() - started:.1f} s"

    def media_is_measured(self) -> Outcome:
        """Compare the status with the film."""
        media = self._ready_status().get("media", {})
        found = (media.get("durationMs"), media.get("width"), media.get("height"))
        duration_ms, *size = found
        measured = "duration {} ms, {} x {} pixels".format(*found)
        if duration_ms is None or abs(duration_ms - film.DURATION_MS) > _DURATION_SLACK_MS:
            raise CheckError(f"{measured}; the film lasts {film.DURATION_MS} ms", _REPORT)
        if size != [film.WIDTH, film.HEIGHT]:
            raise CheckError(f"{measured}; the film is {film.WIDTH} x {film.HEIGHT}", _REPORT)
        return measured

    def thumbnail_is_stored(self) -> Outcome:
        """Check that the status has a thumbnail."""
        thumbnail = self._ready_status().get("thumbnail")
        if thumbnail is None:
            raise CheckError(self._condition("ThumbnailReady"), _REPORT)
        return f"{thumbnail['width']} x {thumbnail['height']} pixels, {thumbnail['sizeBytes']} bytes"

    def presigned_url_works(self, which: str) -> Outcome:
        """Fetch the URL as a browser does; the media must be the film, byte for byte."""
        status = self._ready_status()
        if self.webhook is None:
            return LeftOut("webhook.enabled is false")
        if self.caller.headers is None:
            return LeftOut("the webhook has no token in clear text to ask with")
        shown = partial(self.webhook.presigned_url, self.asset_id, which, self.caller.headers)
        url = repeated(shown, timeout_s=_SHOWN_S, poll_s=_POLL_S)()
        size_bytes, sha256 = webhook.fetch(url, ssl.create_default_context(cafile=self.settings.store.ca_bundle))
        if which == "url" and sha256 != status["asset"]["sha256"]:
            raise CheckError("it answers other bytes than the imported ones", "see that no other store has that bucket")
        return f"{size_bytes} bytes" + (", byte for byte" if which == "url" else "")

    def clean_up(self) -> Outcome:
        """Delete the test import and, where the keys may, its objects."""
        self.cluster.delete_import(self.settings.namespace, self.import_name)
        asset, thumbnail = self.status.get("asset"), self.status.get("thumbnail")
        stored = [each["key"] for each in (asset, thumbnail) if each]
        return self.store.delete([self._probe_key, *stored, *([self._keys.sidecar] if asset else [])])

    def _film(self) -> bytes:
        try:
            return film.read_film(self.settings.film_directory)
        except OSError as error:
            raise CheckError("there is no film to import", "see ffmpeg's line above") from error

    def _end_of_import(self, deadline: float) -> dict[str, Any]:
        while True:
            status = self.cluster.import_status(self.settings.namespace, self.import_name)
            if status.get("phase") == "Ready":
                return status
            error = status.get("error", {})
            if status.get("phase") == "Failed" or error.get("reason") in _STORE_REASONS:
                raise CheckError(
                    f"{error.get('reason', 'Failed')}: {error.get('message', '')}",
                    f"docs/reference/reasons.md, {error.get('reason', '')}",
                )
            if time.monotonic() > deadline:
                raise CheckError(
                    f"it is still {status.get('phase', 'without a phase')} after {self.settings.import_timeout_s} s: "
                    f"{_condition(status, 'Ready')}",
                    _OPERATOR_LOGS,
                )
            time.sleep(_POLL_S)

    def _ready_status(self) -> dict[str, Any]:
        if not self.status:
            raise CheckError("not looked at, since the test import is not Ready", "see its line above")
        return self.status

    def _condition(self, kind: str) -> str:
        return _condition(self.status, kind)


_STORE_REASONS = frozenset(reason.value for reason in Reason if reason.facts.retry is Retry.UNTIL_EXPIRY)
"""Reasons that the operator retries for long, and that a check reports at once."""
_REPORT = "report it, with the operator's log"


def _condition(status: dict[str, Any], kind: str) -> str:
    """Return reason and message of a condition."""
    found = next((each for each in status.get("conditions", []) if each["type"] == kind), None)
    return f"{found['reason']}: {found['message']}" if found else f"no condition {kind}"
