"""The MediaImport resource and all that the three programs agree on: types, names, reasons, settings they share."""
