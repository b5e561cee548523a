"""docs/reference/environment.md: every variable that the programs read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaimport_importer.settings import Settings as ImporterSettings
from mediaimport_operator.settings.operator import Settings as OperatorSettings
from mediaimport_runtime.environment import Environment
from mediaimport_webhook.access.first_secrets import FirstSecrets
from mediaimport_webhook.settings import Settings as WebhookSettings

from dev.generate.markdown import NOTICE, code, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_INTRODUCTION = """# Environment variables

The chart sets them from its [values](../../charts/mediaimport/README.md); who runs a program by hand sets them himself.
Each program reads them once, at its start; a bad or missing one ends it with one line that names the variable. Where
the default is empty and the variable is not required, what needs it says so when it is asked for.

"""
_TASK = (
    '{"owner": {"namespace": "n", "name": "n", "uid": "u"}, "assetId": "6f0e6b58-2d0c-4a58-9d1c-5d0b8f6e2a41",'
    ' "spec": {"source": {"url": "https://example.com/"}}, "run": "", "attempt": 1, "maxSizeBytes": 1,'
    ' "deadlineSeconds": 10}'
)
_GIVEN = {"S3_BUCKET_NAME": "bucket", "MEDIAIMPORT_TASK": _TASK}
_PROGRAMS: Mapping[str, Callable[[Environment], object]] = {
    "The operator": OperatorSettings.read,
    "The webhook": WebhookSettings.read,
    "The webhook's command create-secrets": FirstSecrets.read,
    "The importer": ImporterSettings.read,
}


@dataclass(frozen=True)
class Recorder(Environment):
    """Environment that answers with defaults and records each variable: kind, default, whether it is required."""

    variables_read: dict[str, tuple[str, str, bool]] = field(default_factory=dict)

    def optional(self, name: str) -> str | None:
        """Note a text that may be absent."""
        self._note(name, "text", "")
        return super().optional(name)

    def text(self, name: str, default: str | None = None) -> str:
        """Note a text."""
        self._note(name, "text", default or "", required=default is None)
        return self.variables.get(name) or default or "given"

    def integer(self, name: str, default: int, *, least: int = 0) -> int:
        """Note a whole number."""
        self._note(name, f"whole number, at least {least}", str(default))
        return default

    def boolean(self, name: str, *, default: bool) -> bool:
        """Note a boolean."""
        self._note(name, "true or false", str(default).lower())
        return default

    def words(self, name: str) -> tuple[str, ...]:
        """Note a list."""
        self._note(name, "list, separated by commas", "")
        return ()

    def _note(self, name: str, kind: str, default: str, *, required: bool = False) -> None:
        self.variables_read.setdefault(name, (kind, default, required))


def variables(read: Callable[[Environment], object]) -> dict[str, tuple[str, str, bool]]:
    """Return the variables that a program's settings read."""
    recorder = Recorder(_GIVEN)
    read(recorder)
    return recorder.variables_read


def page() -> str:
    """Return the page."""
    return NOTICE + _INTRODUCTION + "\n".join(_program(name, read) for name, read in _PROGRAMS.items())


def _program(name: str, read: Callable[[Environment], object]) -> str:
    rows = [
        [code(variable), kind, "required" if required else code(default)]
        for variable, (kind, default, required) in sorted(variables(read).items())
    ]
    return f"## {name}\n\n" + table(["variable", "kind", "default"], rows)
