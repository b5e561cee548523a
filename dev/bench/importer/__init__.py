"""Benchmarks of the importer and the prober."""
