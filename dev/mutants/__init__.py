"""Mutants: hand-written faults of one line, each with the test that must fail of it. Run on request: `make mutants`."""
