"""The MediaImport resource and all that the three programs agree on: types, names, reasons, settings they share."""

__version__ = "0.1.0"
"""The project's version: the wheel's, the images', the chart's. `make generate` carries it to them."""
