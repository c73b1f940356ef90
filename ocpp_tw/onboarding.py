"""
What a station is asked once its boot was accepted.

By itself a central system asks nothing: some stations are upset by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from .errors import OCPPError
from .interfaces import IStation
from .router import Router


#: The commands, by the word of C{[stations] onboarding}.
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "configuration": ("GetConfiguration", {}),
    "status": ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
    "local_list": ("GetLocalListVersion", {}),
}


class Onboarding:
    """
    Asks each station that may be commanded.

    @ivar questions: what, in this order; see L{QUESTIONS}.
    """

    log = Logger()

    def __init__(self, router: Router) -> None:
        self.questions: Sequence[str] = ()
        self._router = router
        router.greeters.append(self.greet)

    def greet(self, station: IStation) -> None:
        """
        A station may be commanded.
        """
        if self.questions:
            asked = Deferred.fromCoroutine(self._ask(station))
            asked.addErrback(
                lambda f: self.log.failure(
                    "while asking {who}", f, who=station
                )
            )

    async def _ask(self, station: IStation) -> None:
        for question in self.questions:
            action, payload = QUESTIONS[question]
            try:
                await self._router.call(station.identity, action, payload)
            except OCPPError as e:
                self.log.info(
                    "{station}: {action} at its boot: {why}",
                    station=station,
                    action=action,
                    why=e,
                )
