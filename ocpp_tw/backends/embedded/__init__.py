"""
A complete small central system over SQLite: a file, or memory.
"""

from __future__ import annotations

from .backend import EmbeddedBackend, make_backend


__all__ = ["EmbeddedBackend", "make_backend"]
