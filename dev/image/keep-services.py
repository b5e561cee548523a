"""`python keep-services.py FOLDER`: remove from botocore's data all services of AWS that our programs do not use.

S3 stays, and those that hand out credentials. A client reads the endpoints of all services, 1.2 MB, at its start.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

SERVICES = frozenset({"s3", "sts", "sso", "sso-oidc", "signin"})
ENDPOINTS = frozenset({"s3", "sts", "portal.sso", "oidc", "signin"})
"""The same, by the names that endpoints.json has for them."""

data = Path(sys.argv[1])
for each in data.iterdir():
    if each.is_dir() and each.name not in SERVICES:
        shutil.rmtree(each)
file = data / "endpoints.json"
endpoints = json.loads(file.read_text())
for partition in endpoints["partitions"]:
    partition["services"] = {name: value for name, value in partition["services"].items() if name in ENDPOINTS}
file.write_text(json.dumps(endpoints))
