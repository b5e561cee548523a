"""S3 proxy that drops conditions: a conditional write overwrites an existing object."""
