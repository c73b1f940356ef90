"""
What can go wrong.

* L{OCPPError}
    * L{CallFailed}: a Call was answered with a CallError
    * L{CallTimedOut}: a Call was not answered in time
    * L{TooManyCalls}: too many Calls wait for their turn already
    * L{StationNotConnected}: the station is known, but is not here now
        * L{UnknownStation}: nobody was ever seen under that identity
    * L{BadRequest}: what was asked makes no sense
    * L{NotFound}: there is no such thing
    * L{NotAllowed}: whoever asks may not do this
        * L{NotKnown}: nobody knows who asks
    * L{TooManyRequests}: somebody asks too often
    * L{Conflict}: what was asked contradicts what is
    * L{NotKept}: the backend keeps no such records
    * L{BackendUnavailable}: what the backend needs cannot be reached
    * L{BadConfig}: the configuration cannot be used
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class ErrorCode(StrEnum):
    """
    The errorCode of a CallError, by what it means.

    The spelling is that of 1.6 (OCPP-J 1.6, section 4.2.3, its
    "OccurenceConstraintViolation" included); L{ocpp_tw.ocpp.messages.spell}
    knows what the other versions write instead.
    """

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"
    MESSAGE_TYPE_NOT_SUPPORTED = "MessageTypeNotSupported"
    RPC_FRAMEWORK_ERROR = "RpcFrameworkError"


class OCPPError(Exception):
    """
    The root of what this package raises.
    """


class CallFailed(OCPPError):
    """
    A Call was answered with a CallError.

    Raise it while answering a Call to send that CallError; catch it while
    making a Call to learn that one came back.
    """

    def __init__(
        self,
        code: str,
        description: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = details or {}


class CallTimedOut(OCPPError):
    """
    A Call was not answered in time.
    """


class TooManyCalls(OCPPError):
    """
    Too many Calls wait for their turn already.
    """


class StationNotConnected(OCPPError):
    """
    The station is known, but is not here now; the message says since when.
    """


class UnknownStation(StationNotConnected):
    """
    Nobody was ever seen, or registered, under that identity.
    """


class BadRequest(OCPPError):
    """
    What was asked makes no sense; the message names the member and the rule.
    """


class NotFound(OCPPError):
    """
    There is no such thing.
    """


class NotAllowed(OCPPError):
    """
    Whoever asks may not do this.
    """


class NotKnown(NotAllowed):
    """
    There are no credentials, or they are wrong.
    """


class TooManyRequests(OCPPError):
    """
    Somebody asks too often.

    @ivar retry_after: after how many seconds it may be different.
    """

    def __init__(self, message: str, retry_after: float = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Conflict(OCPPError):
    """
    What was asked contradicts what is.
    """


class NotKept(OCPPError):
    """
    The backend keeps no such records; the message says which one does.
    """


class BackendUnavailable(OCPPError):
    """
    What the backend needs cannot be reached.
    """


class BadConfig(OCPPError):
    """
    The configuration cannot be used.

    @ivar problems: one sentence for each thing that is wrong.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (
            [problems] if isinstance(problems, str) else list(problems)
        )
        super().__init__("\n".join(self.problems))
