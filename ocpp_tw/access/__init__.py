"""
Who may use us: users and their passwords, API keys, JSON Web Tokens.
"""

from .limits import Bucket, Failures
from .passwords import Passwords
from .sessions import Session, Sessions
from .tokens import Provider, Tokens, providers
from .users import Key, User, Users
from .visitor import ROLES, Visitor


__all__ = [
    "ROLES",
    "Bucket",
    "Failures",
    "Key",
    "Passwords",
    "Provider",
    "Session",
    "Sessions",
    "Tokens",
    "User",
    "Users",
    "Visitor",
    "providers",
]
