from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_bills_of_materials_are_whole() -> None:
    subprocess.run([sys.executable, "-m", "dev.release"], cwd=ROOT, check=True)
    bills = {file.name: json.loads(file.read_text()) for file in (ROOT / "build/sbom").glob("*.cdx.json")}
    assert {name.partition(".")[0] for name in bills} == {"mediaimport", "mediaimport-ffmpeg"}
    for bill in bills.values():
        unlicensed = [each["name"] for each in bill["components"] if each.get("purl") and not each.get("licenses")]
        assert unlicensed == []
