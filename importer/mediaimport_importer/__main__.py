"""The importer's process: `python -m mediaimport_importer`."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from mediaimport_api.environment import BadSettingError, Environment
from mediaimport_api.reasons import Reason
from mediaimport_api.result import Result

from mediaimport_importer.attempt import Attempt
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.interruption import Interruption
from mediaimport_importer.report import Report, failure
from mediaimport_importer.settings import Settings, termination_log


def outcome(settings: Settings, report: Report, interruption: Interruption) -> Result:
    """Return how the attempt ends, whatever happens."""
    try:
        return Attempt(settings, report, interruption).run()
    except AttemptError as error:
        return failure(error)
    except Exception as error:  # noqa: BLE001 - the one place where a bug becomes a result
        return Result(reason=Reason.UNEXPECTED, message=f"the importer failed: {_place(error)}; report it")


def _place(error: Exception) -> str:
    """Return what was raised and where: never its text, which may hold a URL."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def main() -> int:
    """Run one attempt; return the exit code of its reason."""
    report, interruption, env = Report(sys.stdout), Interruption(), Environment(os.environ)
    try:
        settings = Settings.read(env)
    except BadSettingError as error:
        return _end(Result(reason=Reason.UNEXPECTED, message=str(error)[:512]), report, termination_log(env))
    interruption.install()
    result = outcome(settings, report, interruption)
    return _end(result, report, settings.termination_log)


def _end(result: Result, report: Report, message_file: Path) -> int:
    code = result.reason.facts.exit_code
    report.say(
        f"{result.reason}: {result.message}"[:1024],
        level="info" if result.reason is Reason.IMPORTED else "error",
        reason=result.reason,
    )
    try:
        message_file.write_bytes(result.encode())
    except OSError as error:
        report.say(f"the result cannot be written to {message_file}: {error.strerror}", level="error")
        return 1
    return 1 if code is None else int(code)


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    # Threads may still wait in the network; nothing that they could bring is wanted any more.
    os._exit(exit_code)
