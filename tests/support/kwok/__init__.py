"""Fake nodes by kwok: thousands of importers that succeed without a container."""
