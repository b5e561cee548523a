"""The receiver of docs/events.md in Python, run as it is. The one in TypeScript is compiled in tests/e2e/clients."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support import event_receivers

ROOT = Path(__file__).parents[3]


def test_receiver_takes_each_event_once_and_no_forged_one(tmp_path: Path) -> None:
    port = event_receivers.free_port()
    command = [sys.executable, "-m", "uvicorn", "receive_events:app", "--port", str(port), "--log-level", "warning"]
    event_receivers.check(command, folder=ROOT / "examples", port=port, output=tmp_path / "output")


@pytest.mark.parametrize(
    ("language", "file"),
    [("python", "examples/receive_events.py"), ("ts", "clients/typescript/examples/receive-events.ts")],
)
def test_page_shows_the_receiver_as_it_is(language: str, file: str) -> None:
    assert f"```{language}\n{(ROOT / file).read_text()}```\n" in (ROOT / "docs/events.md").read_text()
