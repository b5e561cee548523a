"""The MediaImport resource: its types, names and reasons, shared by the three programs."""
