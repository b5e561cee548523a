"""Benchmarks of the webhook."""
