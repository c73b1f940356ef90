"""
One shape for every error, and one table of its status.

>>> status_of(CallTimedOut("no answer"))
504
"""

from __future__ import annotations

from math import ceil
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ...errors import (
    BackendUnavailable,
    BadConfig,
    BadRequest,
    CallFailed,
    CallTimedOut,
    Conflict,
    NotAllowed,
    NotFound,
    NotKept,
    NotKnown,
    OCPPError,
    StationNotConnected,
    TooManyCalls,
    TooManyRequests,
    UnknownStation,
)
from .answers import send_json


log = Logger()

#: What is said of an error that is our own fault.
OUR_FAULT = "internal error; the log of the server knows more"

#: The status of each error; a child that is not here has its parent's.
STATUS: dict[type[BaseException], int] = {
    OCPPError: 500,
    BadConfig: 500,
    BadRequest: 400,
    NotFound: 404,
    UnknownStation: 404,
    Conflict: 409,
    NotAllowed: 403,
    NotKnown: 401,
    TooManyCalls: 429,
    TooManyRequests: 429,
    NotKept: 501,
    CallFailed: 502,
    StationNotConnected: 503,
    BackendUnavailable: 503,
    CallTimedOut: 504,
}


def status_of(error: BaseException | None) -> int:
    """
    The HTTP status that an error is answered with.
    """
    if isinstance(error, HTTPException):
        return error.code or 500
    kinds = type(error).__mro__
    return next((STATUS[kind] for kind in kinds if kind in STATUS), 500)


def as_json(error: BaseException | None) -> dict[str, Any]:
    """
    C{{"error": {"code": 404, "message": "..."}}}, and C{"callError"} beside
    it where a station answered with one.
    """
    status = status_of(error)
    shown: dict[str, Any] = {
        "error": {"code": status, "message": _in_words(error, status)}
    }
    if isinstance(error, CallFailed):
        shown["callError"] = {
            "errorCode": error.code,
            "errorDescription": error.description,
            "errorDetails": error.details,
        }
    return shown


def _in_words(error: BaseException | None, status: int) -> str:
    if isinstance(error, CallFailed):
        return f"the station answered with a CallError: {error}"
    if isinstance(error, HTTPException):
        return error.description or error.name
    return OUR_FAULT if status == 500 else str(error)


def note(failure: Failure, what: str) -> None:
    """
    Log an error if it is our own fault.
    """
    if status_of(failure.value) == 500:
        log.failure("while answering {what}", failure, what=what)


def refuse(request: IRequest, failure: Failure) -> bytes:
    """
    Answer with an error.
    """
    error = failure.value
    note(failure, f"{request.method!r:.20} {request.path!r:.200}")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        request.setHeader("Allow", ", ".join(sorted(error.valid_methods)))
        if request.method == b"OPTIONS":
            request.setResponseCode(204)
            return b""
    if isinstance(error, TooManyRequests):
        request.setHeader("Retry-After", str(ceil(error.retry_after)))
    return send_json(request, as_json(error), status_of(error))
