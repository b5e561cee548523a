"""Versions of the schema, one module each."""

from __future__ import annotations
