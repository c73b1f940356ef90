"""
Asks functions in a PostgreSQL database what to answer.
"""

from __future__ import annotations

from .backend import PostgresBackend, make_backend


__all__ = ["PostgresBackend", "make_backend"]
