"""The whole way, once: a prediction, its signed webhook, the import, the stored media fetched back and compared."""
