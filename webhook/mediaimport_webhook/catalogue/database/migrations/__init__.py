"""Migrations of the catalogue's database, by Alembic."""

from __future__ import annotations
