"""`python -m mediaimport_importer.deletion`: one deletion, told by MEDIAIMPORT_DELETION."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mediaimport_api.task import DELETION_VARIABLE, Deletion
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.store_settings import StoreSettings
from pydantic import ValidationError

from mediaimport_importer.deletion.erase import erase
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.report import Report
from mediaimport_importer.settings import termination_log
from mediaimport_importer.store.bucket import connect

if TYPE_CHECKING:
    from pathlib import Path


def main() -> int:
    """Delete, and say how it went in the log and in the termination message."""
    env, report = Environment(os.environ), Report(sys.stdout)
    try:
        told = erase(connect(StoreSettings.read(env)), _deletion(env), now=datetime.now(UTC)).value
    except (AttemptError, BadSettingError) as error:
        words = error.public_message if isinstance(error, AttemptError) else str(error)
        report.say(words, level="error")
        _leave(termination_log(env), words)
        return 1
    report.say(told)
    _leave(termination_log(env), told)
    return 0


def _deletion(env: Environment) -> Deletion:
    try:
        return Deletion.model_validate_json(env.text(DELETION_VARIABLE))
    except ValidationError:
        raise BadSettingError(f"{DELETION_VARIABLE} is not a deletion of this version") from None


def _leave(file: Path, words: str) -> None:
    try:
        file.write_text(words[:512])
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
