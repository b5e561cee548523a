"""Serve `python -m tests.support.forgetful_store`; the S3_… variables name the real store."""

from __future__ import annotations

import os

import uvicorn
from mediaimport_runtime.environment import Environment
from mediaimport_runtime.store_settings import StoreSettings

from tests.support.forgetful_store.app import application

environment = Environment(os.environ)
uvicorn.run(
    application(StoreSettings.read(environment)),
    host=environment.text("HOST", "0.0.0.0"),  # noqa: S104 - the only port of a pod
    port=environment.integer("PORT", 8080),
    access_log=False,
)
