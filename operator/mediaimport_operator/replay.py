"""`python -m mediaimport_operator.replay`: the plan for one import, from JSON as kubectl prints it.

The command reads no cluster and writes nothing. It plans without progress, log tail, refusals and credentials: no JSON
has them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediaimport_api import names
from mediaimport_api.model import Model
from mediaimport_runtime.environment import BadSettingError, Environment
from mediaimport_runtime.kubernetes import objects
from mediaimport_runtime.kubernetes.patch import merge_patch

from mediaimport_operator.decide.observed import Observed, SlotState
from mediaimport_operator.decide.plan import POLICIES, plan
from mediaimport_operator.observe.owned import read_jobs, read_pods
from mediaimport_operator.observe.resource import read as read_resource
from mediaimport_operator.pods import cleanup_job
from mediaimport_operator.settings.operator import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from mediaimport_runtime.kubernetes.objects import Object

_DEFAULTS = {"OPERATOR_NAMESPACE": "mediaimport", "IMPORTER_IMAGE": "importer", "PROBER_IMAGE": "prober"}
"""Settings that no plan depends on."""


class ReplayError(Exception):
    """The input cannot be replayed; the message says why, and what to give instead."""


def main(arguments: Sequence[str], variables: Mapping[str, str], stdin: TextIO, stdout: TextIO) -> None:
    """Print the plan as JSON; ReplayError, BadSettingError."""
    options = _parser().parse_args(arguments)
    texts = [Path(each).read_text() for each in options.files] or [stdin.read()]
    settings = Settings.read(Environment(_DEFAULTS | dict(variables)))
    items = [item for text in texts for item in read(text)]
    observed = observe(items, settings, now=_moment(options.at), slot=options.slot)
    json.dump(explain(observed), stdout, indent=2)
    stdout.write("\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mediaimport_operator.replay",
        description="Print the plan for one MediaImport, its Jobs and its pods, given as kubectl get … -o json.",
        epilog="Settings are the operator's environment variables; only S3_BUCKET_NAME has to be set.",
    )
    parser.add_argument("files", nargs="*", help="JSON documents; default: standard input, one after the other")
    parser.add_argument("--at", metavar="TIME", help="the time of the reconcile, as 2030-01-01T12:00:00Z; default: now")
    parser.add_argument("--slot", action="store_true", help="give the import a slot")
    return parser


def _moment(text: str | None) -> datetime:
    at = datetime.now(UTC) if text is None else objects.moment(text)
    if at is None:
        raise ReplayError(f"--at is {text!r}; it must be a time with its zone, as 2030-01-01T12:00:00Z")
    return at


def read(text: str) -> Iterator[Object]:
    """Yield the objects in any number of JSON documents; those of a List one by one."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        try:
            document, end = decoder.raw_decode(rest)
        except ValueError as error:
            raise ReplayError(f"the input is not JSON: {error}; use kubectl get … -o json") from None
        if not isinstance(document, dict):
            raise ReplayError("the input is JSON, but no object of the API; use kubectl get … -o json")
        yield from document.get("items", [document])
        rest = rest[end:].lstrip()


def observe(items: Sequence[Object], settings: Settings, *, now: datetime, slot: bool) -> Observed:
    """Return the input of the operator's decision: the one MediaImport with its own Jobs and pods."""
    imports = [each for each in items if each.get("kind") == names.KIND]
    if len(imports) != 1:
        raise ReplayError(f"the input has {len(imports)} MediaImports; give exactly one, with its Jobs and pods")
    owner = read_resource(imports[0])
    ours = [each for each in items if objects.label(each, names.LABEL_UID) == owner.uid]
    cleanup = [each for each in ours if cleanup_job.is_labelled(each, owner)]
    attempts = [each for each in ours if each not in cleanup]
    jobs = read_jobs((each for each in attempts if each.get("kind") == "Job"), owner_uid=owner.uid)
    observed = Observed(
        now=now,
        settings=replace(settings, session=None),
        resource=owner,
        jobs=jobs,
        pods=read_pods((each for each in attempts if each.get("kind") == "Pod"), jobs=jobs),
        slot=SlotState(held=slot, wait_reason="replayed without a slot"),
    )
    return _with_cleanup_job(observed, cleanup)


def _with_cleanup_job(observed: Observed, items: Sequence[Object]) -> Observed:
    found = next((each for each in items if each.get("kind") == "Job"), None)
    if found is None:
        return observed
    pods = [each for each in items if each.get("kind") == "Pod"]
    return replace(observed, cleanup_job=cleanup_job.read(found, pods))


def explain(observed: Observed) -> dict[str, Any]:
    """Return the plan, the state of the attempt and the policy that decided, as plain JSON."""
    owner, planned = observed.resource, plan(observed)
    policy = next(each for each in POLICIES if each(observed) is not None)
    status = None if planned.status is None else merge_patch(owner.raw_status, planned.status.to_wire())
    return {
        "import": f"{owner.namespace}/{owner.name}",
        "now": observed.now.isoformat(),
        "attempt": None if owner.spec is None else _attempt(observed),
        "policy": f"{policy.__module__}.{policy.__name__}",
        "actions": [_plain(each) for each in planned.actions],
        "slot": planned.slot.name,
        "follow": planned.follow,
        "requeueAt": _plain(planned.requeue_at),
        "statusPatch": status,
    }


def _attempt(observed: Observed) -> dict[str, Any]:
    return {"number": observed.history.number, "state": _plain(observed.history.state)}


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return a value as JSON data; a dataclass with the name of its class."""
    if isinstance(value, Model):
        return value.to_wire()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return {"is": type(value).__name__} | {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return value


if __name__ == "__main__":
    try:
        main(sys.argv[1:], os.environ, sys.stdin, sys.stdout)
    except (ReplayError, BadSettingError, OSError) as error:
        sys.exit(str(error))
