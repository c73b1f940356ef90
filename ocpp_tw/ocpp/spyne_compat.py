"""
Makes Spyne 2.14 importable on Python 3.12 and 3.13; import it before Spyne.

Spyne brings a copy of C{six} that is too old for Python 3.12, and imports
C{cgi}, which Python 3.13 has no more.  This module can go when a release of
Spyne imports without it: then C{python3.13 -c "import spyne"} works.

It changes nothing on Python 3.11, and nothing that others import: C{cgi} is
only lent to Spyne.
"""

from __future__ import annotations

import importlib
import sys
from email.message import Message
from operator import attrgetter
from types import ModuleType


#: What Spyne imports of the moves of six.
_MOVES = (
    "moves",
    "moves.collections_abc",
    "moves.http_cookies",
    "moves.urllib",
    "moves.urllib.error",
    "moves.urllib.parse",
    "moves.urllib.request",
)


def _lend_six() -> None:
    six = importlib.import_module("six")
    # The one thing that Spyne's copy has and six has not.
    six.get_function_name = attrgetter("__name__")  # type: ignore[attr-defined]
    sys.modules.setdefault("spyne.util.six", six)
    for name in _MOVES:
        moved = importlib.import_module(f"six.{name}")
        sys.modules.setdefault(f"spyne.util.six.{name}", moved)


def parse_header(line: str) -> tuple[str, dict[str, str]]:
    """
    What C{cgi.parse_header} did.

    >>> parse_header('text/xml; charset="utf-8"')
    ('text/xml', {'charset': 'utf-8'})
    """
    message = Message()
    message["content-type"] = line
    parameters = message.get_params() or []
    return line.partition(";")[0].strip(), dict(parameters[1:])


def _import_spyne() -> None:
    if sys.version_info >= (3, 12):
        _lend_six()
    lend_cgi = sys.version_info >= (3, 13) and "cgi" not in sys.modules
    if lend_cgi:
        cgi = ModuleType("cgi")
        cgi.parse_header = parse_header  # type: ignore[attr-defined]
        sys.modules["cgi"] = cgi
    try:
        for name in _WITH_CGI:
            importlib.import_module(name)
    finally:
        if lend_cgi:
            del sys.modules["cgi"]


#: What we use of Spyne.
_WITH_CGI = ("spyne", "spyne.interface.wsdl", "spyne.protocol.soap")

_import_spyne()
