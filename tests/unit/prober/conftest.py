from __future__ import annotations

from tests.unit.importer.conftest import studio

__all__ = ["studio"]
