"""Inventory of an image, taken in a pod: packages in dpkg's database and distributions of Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dev.release.bill import Inventory

if TYPE_CHECKING:
    from dev.cluster.kubectl import Kube

_POD = "mediaimport-inventory"
_PROGRAM = """
import importlib.metadata, json, re
status = open("/var/lib/dpkg/status").read()
debian = dict(re.findall(r"^Package: (\\S+)$(?:\\n.+)*?\\nVersion: (\\S+)$", status, re.MULTILINE))
python = {each.name: each.version for each in importlib.metadata.distributions()}
print(json.dumps({"debian": debian, "python": python}))
"""


def of(image: str, kube: Kube, *, namespace: str = "default") -> Inventory:
    """Run a pod of the image and return its report."""
    kube.kubectl("delete", "pod", _POD, "--ignore-not-found", namespace=namespace)
    command = ("--command", "--", "python", "-c", _PROGRAM)
    kube.kubectl("run", _POD, f"--image={image}", "--restart=Never", *command, namespace=namespace)
    try:
        done = "--for=jsonpath={.status.phase}=Succeeded"
        kube.kubectl("wait", f"pod/{_POD}", done, "--timeout=120s", namespace=namespace)
        reported = json.loads(kube.kubectl("logs", _POD, namespace=namespace))
    finally:
        kube.kubectl("delete", "pod", _POD, "--wait=false", namespace=namespace)
    return Inventory(debian=reported["debian"], python=reported["python"])
