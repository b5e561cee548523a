"""Settings of all unit tests."""

from __future__ import annotations

from hypothesis import settings

# Several processes share the machine: the time that one example takes says nothing about the code.
settings.register_profile("mediaimport", deadline=None)
settings.load_profile("mediaimport")
