"""Installations of the chart for end-to-end tests, the demo and benchmarks."""
