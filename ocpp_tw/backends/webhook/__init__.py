"""
Asks an HTTP server what to answer, and tells it what happens.
"""

from __future__ import annotations

from .backend import WebhookBackend, make_backend


__all__ = ["WebhookBackend", "make_backend"]
