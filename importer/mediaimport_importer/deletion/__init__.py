"""Deletes what an import has stored: the Job of `deletionPolicy: Delete`."""
