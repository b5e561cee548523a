"""Serve the stand-in: `python -m dev.replicate`."""

import os

import uvicorn

from dev.replicate.app import application
from dev.replicate.settings import Settings

settings = Settings.read(os.environ)
uvicorn.run(application(settings), host="0.0.0.0", port=settings.port, access_log=False)  # noqa: S104  # a pod's only port
