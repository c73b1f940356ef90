"""
Operators, by HTTP: everything below C{/api}.
"""

from .app import API


__all__ = ["API"]
