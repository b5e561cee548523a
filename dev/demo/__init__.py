"""Demo: one prediction, its signed callback, the import, and the stored media fetched back and compared."""
