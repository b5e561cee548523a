"""Serve the stand-in: `python -m tests.support.replicate`."""

from __future__ import annotations

import os

import uvicorn

from tests.support.replicate.app import application
from tests.support.replicate.settings import Settings

settings = Settings.read(os.environ)
uvicorn.run(application(settings), host="0.0.0.0", port=settings.port, access_log=False)  # noqa: S104 - a pod's only port
