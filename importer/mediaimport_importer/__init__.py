"""The importer, which runs in the Job: from a source URL to a stored asset."""
