"""
Somebody who asks, and what they may.
"""

from __future__ import annotations

from attrs import frozen


#: The roles; each may do what those before it may.
ROLES = ("viewer", "operator", "admin")


def may(role: str, needed: str) -> bool:
    """
    >>> may("operator", "viewer"), may("operator", "admin")
    (True, False)
    """
    return needed == "public" or (
        role in ROLES and ROLES.index(role) >= ROLES.index(needed)
    )


@frozen
class Visitor:
    """
    Who asks.

    @ivar name: of the user, or of what the token says; empty for nobody in
        particular.
    @ivar role: one of L{ROLES}; empty for none.
    @ivar via: C{open}, C{basic}, C{session}, C{key} or C{jwt}.
    @ivar identities: the stations that this is confined to; None for all.
    """

    name: str = ""
    role: str = ""
    via: str = "open"
    identities: frozenset[str] | None = None

    def may(self, needed: str) -> bool:
        """
        Whether the role is enough.
        """
        return may(self.role, needed)


#: Where nobody has to prove anything.
ANYBODY = Visitor("", "admin")

#: Who has shown no credentials.
NOBODY = Visitor()
