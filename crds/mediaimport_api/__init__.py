"""The MediaImport resource and the contract between the programs: types, names, reasons, source policy."""

from __future__ import annotations

__version__ = "0.1.0"
"""The version of the wheel, the images and the chart. `make generate` writes it into the chart."""
