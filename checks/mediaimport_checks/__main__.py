"""Runs the checks: `python -m mediaimport_checks`; `python -m mediaimport_checks film` makes their film first."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from uuid import uuid4

from mediaimport_runtime.environment import BadSettingError, Environment

from mediaimport_checks import film, store, webhook
from mediaimport_checks.checklist import run_all
from mediaimport_checks.cluster import Cluster, connect
from mediaimport_checks.installation import Installation
from mediaimport_checks.settings import Settings


def _installation(settings: Settings, cluster: Cluster) -> Installation:
    caller = webhook.caller(
        settings.tokens_file, anonymous=settings.anonymous, default_user_id=settings.default_user_id
    )
    return Installation(
        settings=settings,
        cluster=cluster,
        store=store.connect(settings.store),
        webhook=webhook.connect(settings.webhook_url) if settings.webhook_url else None,
        caller=caller,
        asset_id=str(uuid4()),
    )


def _check() -> int:
    settings = Settings.read(Environment(os.environ))
    report = partial(print, flush=True)
    with connect() as cluster:
        installation = _installation(settings, cluster)
        passed = run_all(installation.checks, report)
        clean = run_all([installation.clean], report)
    return 0 if passed and clean else 1


def _make_film() -> int:
    film.make(Path(os.environ.get("FILM_DIRECTORY", "/film")))
    return 0


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="mediaimport_checks", description=__doc__)
    parser.add_argument("program", nargs="?", choices=["check", "film"], default="check")
    try:
        return {"check": _check, "film": _make_film}[parser.parse_args().program]()
    except BadSettingError as error:
        print(f"mediaimport_checks: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
