"""
Spyne 2.14, as far as we use it, on every Python from 3.11 to 3.13.

Everything of Spyne is imported from here.  It brings a copy of C{six} that is
too old for Python 3.12, and imports C{cgi}, which Python 3.13 has no more:
both are lent to it here.  All but the imports can go when a release of Spyne
does without, that is, when C{python3.13 -c "import spyne"} works.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def _lent_cgi() -> Iterator[None]:
    """
    Python 3.11 and 3.12 have it, and warn of its end.
    """
    if sys.version_info < (3, 13):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
        return
    cgi = ModuleType("cgi")
    vars(cgi)["parse_header"] = parse_header
    lent = sys.modules.setdefault("cgi", cgi) is cgi
    yield
    # Nobody else shall take it for the real one.
    if lent:
        del sys.modules["cgi"]


if sys.version_info >= (3, 12):
    _lend_six()
with _lent_cgi():
    from spyne import (
        AnyUri,
        Application,
        Boolean,
        ComplexModel,
        DateTime,
        Decimal,
        Integer32,
        Service,
        Unicode,
        rpc,
    )
    from spyne.interface.wsdl import Wsdl11
    from spyne.model.complex import XmlAttribute, XmlData
    from spyne.protocol.soap import Soap12
    from spyne.server import ServerBase


__all__ = [
    "AnyUri",
    "Application",
    "Boolean",
    "ComplexModel",
    "DateTime",
    "Decimal",
    "Integer32",
    "ServerBase",
    "Service",
    "Soap12",
    "Unicode",
    "Wsdl11",
    "XmlAttribute",
    "XmlData",
    "rpc",
]
