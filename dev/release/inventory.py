"""What an image says that it has, asked from inside: dpkg's packages and Python's distributions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dev.release.bill import Inventory

if TYPE_CHECKING:
    from dev.cluster.kubectl import Kube

_POD = "mediaimport-inventory"
_QUESTION = """
import importlib.metadata, json, subprocess
shown = ["dpkg-query", "--show", "--showformat", "${Package} ${Version}\\n"]
debian = dict(line.split() for line in subprocess.check_output(shown, text=True).splitlines())
python = {each.name: each.version for each in importlib.metadata.distributions()}
print(json.dumps({"debian": debian, "python": python}))
"""


def of(image: str, kube: Kube, *, namespace: str = "default") -> Inventory:
    """Run a pod of the image and return what it tells."""
    kube.kubectl("delete", "pod", _POD, "--ignore-not-found", namespace=namespace)
    question = ("--command", "--", "python", "-c", _QUESTION)
    kube.kubectl("run", _POD, f"--image={image}", "--restart=Never", *question, namespace=namespace)
    try:
        done = "--for=jsonpath={.status.phase}=Succeeded"
        kube.kubectl("wait", f"pod/{_POD}", done, "--timeout=120s", namespace=namespace)
        told = json.loads(kube.kubectl("logs", _POD, namespace=namespace))
    finally:
        kube.kubectl("delete", "pod", _POD, "--wait=false", namespace=namespace)
    return Inventory(debian=told["debian"], python=told["python"])
