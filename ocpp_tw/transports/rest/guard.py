"""
Which requests are not heard at all: those that a web page of somebody else
makes a browser send.

Whoever can reach us may use us, as long as there are no users; a browser on
the same machine can, and it obeys any page.  So a request that changes
something must come from a page of ours or from no page, and on loopback the
name we are called by must be one of ours, for a page's own name may be made
to lead here (DNS rebinding).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from twisted.web.iweb import IRequest
from werkzeug.exceptions import BadRequest, Forbidden


_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]{1,253})(:[0-9]{1,5})?\Z")

_ALLOWED = {
    "Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
    "Max-Age": "600",
}

#: What changes nothing.
_SAFE = {b"GET", b"HEAD", b"OPTIONS"}


def check(
    request: IRequest,
    hosts: Collection[str] | None,
    origins: Collection[str] = (),
) -> None:
    """
    @param hosts: the names we go by besides C{localhost}, with the port or
        without; None for any.
    @param origins: those whose pages may use us.
    @raise Forbidden: it is not from here.
    """
    host = (request.getHeader("host") or "localhost").lower()
    match = _HOST.match(host)
    if match is None:
        raise BadRequest("the Host header is no host")
    if hosts is not None and not _is_ours(host, match[1], hosts):
        raise Forbidden(
            f"we are not called {match[1]!r} here; use localhost, or name "
            "the host in a site file"
        )
    origin = (request.getHeader("origin") or "").lower()
    if origins:
        request.setHeader("Vary", "Origin")
    if origin and origin in origins:
        request.setHeader("Access-Control-Allow-Origin", origin)
        request.setHeader("Access-Control-Expose-Headers", "Link, Retry-After")
    elif request.method not in _SAFE:
        _check_origin(request, host)


def is_preflight(request: IRequest) -> bool:
    """
    Whether a browser asks if a page of another origin may ask.
    """
    return request.method == b"OPTIONS" and bool(
        request.getHeader("origin")
        and request.getHeader("access-control-request-method")
    )


def allow(request: IRequest) -> bytes:
    """
    Tell a browser what such a page may ask; without the header that
    L{check} sets, nothing.
    """
    request.setResponseCode(204)
    if request.responseHeaders.hasHeader("access-control-allow-origin"):
        # No cookies: such a page has a key of its own.
        for name, value in _ALLOWED.items():
            request.setHeader(f"Access-Control-{name}", value)
    return b""


def _is_ours(host: str, name: str, hosts: Collection[str]) -> bool:
    """
    >>> _is_ours("127.0.0.1:9220", "127.0.0.1", ())
    True
    >>> _is_ours("evil.example:9220", "evil.example", ["cs.example"])
    False
    """
    return (
        name == "localhost"
        or name in hosts
        or host in hosts
        or _is_address(name.strip("[]"))
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _check_origin(request: IRequest, host: str) -> None:
    origin = request.getHeader("origin")
    if origin is not None and _place(origin) != host:
        raise Forbidden("a page of another origin may not do this")
    if request.getHeader("sec-fetch-site") == "cross-site":
        raise Forbidden("a page of another site may not do this")


def _place(origin: str) -> str:
    """
    >>> _place("http://localhost:9220"), _place("null")
    ('localhost:9220', '')
    """
    try:
        return urlsplit(origin.lower()).netloc
    except ValueError:
        return ""
