"""Settings of all unit tests."""

from __future__ import annotations

import asyncio

from hypothesis import settings

from tests.support.settling_loop import SettlingPolicy

# Several processes share the machine: the time that one example takes says nothing about the code.
settings.register_profile("mediaimport", deadline=None)
settings.load_profile("mediaimport")

asyncio.set_event_loop_policy(SettlingPolicy())
