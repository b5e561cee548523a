"""Settings of the importer, read once from its environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_api.names import TASK_VARIABLE
from mediaimport_api.task import TERMINATION_MESSAGE_PATH, Task
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.store_settings import StoreSettings
from pydantic import ValidationError

from mediaimport_importer.source import headers
from mediaimport_importer.source.guard import FIRST_BYTE_S, FIRST_BYTE_VARIABLE
from mediaimport_importer.source.proxy import Proxy

if TYPE_CHECKING:
    from mediaimport_api.source_policy import SourcePolicy

DEFAULT_SCRATCH_BYTES = 10 * 1024**3


@dataclass(frozen=True)
class Settings:
    """Settings of one attempt: its task, the store, the source policy, the directories."""

    task: Task
    store: StoreSettings
    policy: SourcePolicy
    scratch_directory: Path
    scratch_bytes: int
    prober_socket: Path
    termination_log: Path
    headers_directory: Path | None = None
    proxy: Proxy | None = None
    first_byte_s: float = FIRST_BYTE_S

    @classmethod
    def read(cls, env: Environment) -> Settings:
        """Return the settings; BadSettingError if one is missing or invalid."""
        return cls(
            task=_task(env.text(TASK_VARIABLE)),
            store=StoreSettings.read(env),
            policy=env.source_policy(),
            scratch_directory=Path(env.text("SCRATCH_DIRECTORY")),
            scratch_bytes=env.integer("SCRATCH_SIZE_BYTES", DEFAULT_SCRATCH_BYTES, least=1),
            prober_socket=Path(env.text("PROBER_SOCKET")),
            termination_log=termination_log(env),
            headers_directory=headers.directory(env),
            proxy=Proxy.read(env),
            first_byte_s=env.integer(FIRST_BYTE_VARIABLE, FIRST_BYTE_S, least=1),
        )


def termination_log(env: Environment) -> Path:
    """Return the file for the result, known even if every other setting is invalid."""
    return Path(env.text("TERMINATION_MESSAGE_PATH", TERMINATION_MESSAGE_PATH))


def _task(text: str) -> Task:
    try:
        return Task.model_validate_json(text)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its JSON"
        raise BadSettingError(
            f"{TASK_VARIABLE} is not a task of this version: {field} is invalid;"
            " use one release of operator and importer"
        ) from None
