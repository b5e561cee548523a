"""The S3 store: one bucket, uploads to it, and one asset in it."""
