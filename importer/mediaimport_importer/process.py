"""The importer's process, in a Job or as a manual command: from variables or options to an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import ExitCode, Reason
from mediaimport_api.result import Result
from mediaimport_runtime.environment import BadSettingError, Environment

from mediaimport_importer.errors import AttemptError, InterruptedAttemptError
from mediaimport_importer.pipeline import Attempt
from mediaimport_importer.report import Report, failure
from mediaimport_importer.settings import Settings, termination_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mediaimport_importer.early import EarlyRequest


@dataclass
class Interruption:
    """SIGTERM and SIGINT end an attempt at once, but neither its commit nor the writing of its result."""

    _allowed: bool = False
    _received: bool = False

    def install(self) -> None:
        """Install the handler for SIGTERM and SIGINT."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: self.handle_signal())

    def handle_signal(self) -> None:
        """Raise InterruptedAttemptError in the main thread, once, so that nothing interrupts the clean-up."""
        first, self._received = not self._received, True
        if first and self._allowed:
            raise InterruptedAttemptError

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let a signal interrupt; one that came before does so at once."""
        self._allowed = True
        if self._received:
            raise InterruptedAttemptError
        try:
            yield
        finally:
            self._allowed = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Ignore signals until the process ends: the original is stored, and its sidecar takes a moment."""
        self._allowed = False
        yield


def outcome(
    settings: Settings,
    report: Report,
    interruption: Interruption,
    *,
    sleep: Callable[[float], None] = time.sleep,
    early: EarlyRequest | None = None,
) -> Result:
    """Return the result of one attempt; every exception becomes one. From then on no signal interrupts."""
    try:
        with interruption.allowed():
            return Attempt(settings, report, interruption.deferred, sleep=sleep, early=early).run()
    except AttemptError as error:
        return failure(error)
    except InterruptedAttemptError:
        return Result(
            reason=Reason.INTERRUPTED,
            message="the importer was stopped (SIGTERM); the operator starts another attempt",
        )
    except Exception as error:  # noqa: BLE001 - the one place where a bug becomes a result
        return Result(reason=Reason.UNEXPECTED, message=f"the importer failed: {_location(error)}; report it")


def _location(error: Exception) -> str:
    """Return the type and line of an exception: never its text, which may hold a URL."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def main(arguments: Sequence[str], early: EarlyRequest | None = None) -> int:
    """Run one attempt, a Job's or a manual one; return the exit code of its reason."""
    return _run_manually(arguments) if arguments else _run_as_job(early)


def _run_as_job(early: EarlyRequest | None) -> int:
    report, interruption, env = Report(sys.stdout), Interruption(), Environment(os.environ)
    interruption.install()
    try:
        settings = Settings.read(env)
    except BadSettingError as error:
        return _finish(Result(reason=Reason.SETTINGS_INVALID, message=str(error)[:512]), report, termination_log(env))
    result = outcome(settings, report, interruption, early=early)
    if settings.task.look_at_store and result.reason is Reason.IMPORTED:
        result = result.model_copy(update={"conditional_writes": _honours_conditions(settings, interruption)})
    return _finish(result, report, settings.termination_log)


def _honours_conditions(settings: Settings, interruption: Interruption) -> bool | None:
    from mediaimport_importer.store.asset import honours_conditions  # noqa: PLC0415 - botocore is slow to import

    keys = AssetKeys(settings.task.spec.user_id, settings.task.asset_id)
    try:
        with interruption.allowed():
            return honours_conditions(settings.store, keys.sidecar)
    except InterruptedAttemptError:
        # The import's result is worth more, and the next one looks, too.
        return None


def _run_manually(arguments: Sequence[str]) -> int:
    from mediaimport_importer import cli  # noqa: PLC0415 - a Job does not use it

    interruption = Interruption()
    try:
        with cli.settings(arguments, os.environ) as settings:
            interruption.install()
            result = outcome(settings, Report(cli.Readable(sys.stderr)), interruption)
    except BadSettingError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the command's error output
        return int(ExitCode.UNEXPECTED)
    print(json.dumps(result.to_wire(), indent=2))  # noqa: T201 - the command's output
    return _exit_code(result)


def _exit_code(result: Result) -> int:
    code = result.reason.facts.exit_code
    return int(ExitCode.UNEXPECTED if code is None else code)


def _finish(result: Result, report: Report, message_file: Path) -> int:
    with suppress(OSError):  # a log that nobody reads any more must not cost the result
        report.say(
            f"{result.reason}: {result.message}"[:1024],
            level="info" if result.reason is Reason.IMPORTED else "error",
            reason=result.reason,
        )
    try:
        _write(message_file, result.encode())
    except OSError as error:
        report.say(f"the result cannot be written to {message_file}: {error.strerror}", level="error")
        return int(ExitCode.UNEXPECTED)
    return _exit_code(result)


def _write(message_file: Path, message: bytes) -> None:
    """Write the message by one call: the kubelet reads all of it or, of a process that was killed before, nothing."""
    descriptor = os.open(message_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(descriptor, message)
    finally:
        os.close(descriptor)
