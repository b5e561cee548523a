"""What the importer is told, read once from its environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_api.task import HEADERS_VARIABLE, TASK_VARIABLE, TERMINATION_MESSAGE_PATH, Task
from mediaimport_runtime.environment import BadSettingError
from mediaimport_runtime.store_settings import StoreSettings
from pydantic import ValidationError

from mediaimport_importer.source.proxy import Proxy

if TYPE_CHECKING:
    from mediaimport_api.source_policy import SourcePolicy
    from mediaimport_runtime.environment import Environment

DEFAULT_SCRATCH_BYTES = 10 * 1024**3


@dataclass(frozen=True)
class Settings:
    """One attempt's surroundings."""

    task: Task
    store: StoreSettings
    policy: SourcePolicy
    scratch_directory: Path
    scratch_bytes: int
    prober_socket: Path
    termination_log: Path
    headers_directory: Path | None = None
    proxy: Proxy | None = None

    @classmethod
    def read(cls, env: Environment) -> Settings:
        """Return the settings; BadSettingError for what is missing or wrong."""
        return cls(
            task=_task(env.text(TASK_VARIABLE)),
            store=StoreSettings.read(env),
            policy=env.source_policy(),
            scratch_directory=Path(env.text("SCRATCH_DIRECTORY")),
            scratch_bytes=env.integer("SCRATCH_SIZE_BYTES", DEFAULT_SCRATCH_BYTES, least=1),
            prober_socket=Path(env.text("PROBER_SOCKET")),
            termination_log=termination_log(env),
            headers_directory=headers_directory(env),
            proxy=Proxy.read(env),
        )


def termination_log(env: Environment) -> Path:
    """Return where the result goes; known even when nothing else is."""
    return Path(env.text("TERMINATION_MESSAGE_PATH", TERMINATION_MESSAGE_PATH))


def headers_directory(env: Environment) -> Path | None:
    """Return where the Secret of source.headersSecretRef is mounted."""
    directory = env.optional(HEADERS_VARIABLE)
    return Path(directory) if directory else None


def _task(text: str) -> Task:
    try:
        return Task.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "it"
        raise BadSettingError(f"{TASK_VARIABLE} is not a task of this version: {where} is wrong") from None
