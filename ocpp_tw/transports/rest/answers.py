"""
What answers look like: JSON, CSV, and either of them gzipped.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import orjson
from twisted.web.iweb import IRequest

from ...interfaces import Page


#: What is shorter is not worth compressing, and what is longer would hold up
#: everybody else; in octets.
GZIPPED = range(1024, 16 << 20)

#: What makes a spreadsheet take a text for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def send(request: IRequest, answer: Any, columns: str = "") -> bytes:
    """
    The body of an answer: a L{Page}, a JSON value, or None for none at all.

    @param columns: what of a page is worth a column; see L{Route}.
    """
    if answer is None:
        request.setResponseCode(204)
        return b""
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, Page):
        if columns and accepts(request, "accept", "text/csv"):
            return _send_csv(request, answer, columns.split())
        answer = {"items": answer.items, "next": answer.next}
    return send_json(request, answer)


def send_json(
    request: IRequest, value: Any, status: int | None = None
) -> bytes:
    """
    The value as the body of an answer.

    @param status: None for the one that is set already.
    """
    body = dump(value)
    if status is not None:
        request.setResponseCode(status)
    request.setHeader("Content-Type", "application/json")
    return _pack(request, body)


def dump(value: Any) -> bytes:
    """
    The value as JSON; connectors are members by their number.
    """
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def _send_csv(request: IRequest, page: Page, columns: Sequence[str]) -> bytes:
    request.setHeader(
        "Content-Type", "text/csv; charset=utf-8; header=present"
    )
    if page.next is not None:
        request.setHeader("Link", f'<{_next(request, page)}>; rel="next"')
    return _pack(request, as_csv(page.items, columns).encode())


def _next(request: IRequest, page: Page) -> str:
    query = {
        name.decode(): values[-1].decode()
        for name, values in request.args.items()
    }
    query["cursor"] = page.next or ""
    return f"{request.path.decode()}?{urlencode(query)}"


def as_csv(items: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    r"""
    Items as CSV (RFC 4180), the names of the columns first.

    >>> as_csv([{"idTag": "=1+1", "energy": -5}], ["idTag", "energy"])
    "idTag,energy\r\n'=1+1,-5\r\n"
    """
    text = StringIO()
    table = csv.writer(text)
    table.writerow(columns)
    for item in items:
        table.writerow([_cell(item.get(column)) for column in columns])
    return text.getvalue()


def _cell(value: Any) -> str | float:
    """
    >>> _cell("-1.5"), _cell("-1+cmd|' /C calc'!A0"), _cell(["past"])
    ('-1.5', "'-1+cmd|' /C calc'!A0", 'past')
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return value
        case list() if all(isinstance(part, str) for part in value):
            return _guarded(" ".join(value))
        case str():
            return _guarded(value)
    return _guarded(orjson.dumps(value).decode())


def _guarded(text: str) -> str:
    """
    Texts come from stations, and stations from anywhere.
    """
    if text.startswith(_FORMULA) and not _is_number(text):
        return "'" + text
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _pack(request: IRequest, body: bytes) -> bytes:
    request.setHeader("Cache-Control", "no-store")
    if len(body) in GZIPPED:
        request.setHeader("Vary", "Accept, Accept-Encoding")
        if accepts(request, "accept-encoding", "gzip"):
            request.setHeader("Content-Encoding", "gzip")
            body = gzip.compress(body, 1, mtime=0)
    request.setHeader("Content-Length", str(len(body)))
    return body


def accepts(request: IRequest, header: str, kind: str) -> bool:
    """
    Whether a header of the request names that kind, and not with q=0.
    """
    for choice in (request.getHeader(header) or "").lower().split(","):
        name, *parameters = (part.strip() for part in choice.split(";"))
        if name == kind:
            return not any(_is_never(parameter) for parameter in parameters)
    return False


def _is_never(parameter: str) -> bool:
    """
    >>> _is_never("q=0.0"), _is_never("q=0.1")
    (True, False)
    """
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip(" 0.")
