"""Completeness of a file by its own structure: for bodies whose transport cannot vouch that they came whole."""
