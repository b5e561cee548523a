"""Swagger UI for the shim of this checkout: in the environment, where the image has it too."""

import sys
from pathlib import Path

from mediaimport_webhook.viewer.unpack import unpack

from dev.cluster.places import CHECKOUT
from dev.cluster.wheels import downloaded

_REQUIREMENT = CHECKOUT / "requirements" / "viewer.txt"


def install() -> Path:
    """Return its folder; the first call in an environment fetches it."""
    folder = Path(sys.prefix, "share", "swagger-ui")
    if not folder.exists():
        with downloaded(_REQUIREMENT, beside=folder) as wheel:
            unpack(wheel, wheel.parent / "swagger-ui")
            (wheel.parent / "swagger-ui").rename(folder)
    return folder
