"""Progress of running imports, read from the importer's log."""
