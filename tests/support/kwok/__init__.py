"""Nodes on paper: thousands of importers that succeed without a container."""
