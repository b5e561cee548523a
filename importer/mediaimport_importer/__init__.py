"""The importer: the program inside the Job, from a source URL to a stored asset."""
