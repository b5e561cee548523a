from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore

from dev.cluster.cache import CHECKOUT

DATA = Path(botocore.__file__).parent / "data"
SCRIPT = CHECKOUT / "dev/image/keep-services.py"


def services(data: Path) -> set[str]:
    endpoints: dict[str, Any] = json.loads((data / "endpoints.json").read_text())
    return {name for partition in endpoints["partitions"] for name in partition["services"]}


def test_services_that_programs_use_stay_with_their_endpoints(tmp_path: Path) -> None:
    shutil.copy(DATA / "endpoints.json", tmp_path)
    for each in DATA.iterdir():
        if each.is_dir():
            (tmp_path / each.name).mkdir()
    subprocess.run([sys.executable, SCRIPT, tmp_path], check=True)
    assert {each.name for each in tmp_path.iterdir() if each.is_dir()} == {"s3", "signin", "sso", "sso-oidc", "sts"}
    assert services(tmp_path) == {"oidc", "portal.sso", "s3", "sts"} < services(DATA)
    assert (tmp_path / "endpoints.json").stat().st_size < 100_000
