"""
The official JSON Schemas, for those who make forms of them.
"""

from __future__ import annotations

from typing import Any

from twisted.web.iweb import IRequest

from ...errors import NotFound
from ...ocpp.actions import TO_STATION
from ...ocpp.schemas import REQUESTS, RESPONSES
from ...ocpp.versions import Version
from .asked import read_query
from .routes import Route
from .shapes import OBJECT, TEXT, array, shape


class Schemas:
    """
    What stations can be asked.
    """

    def __init__(self) -> None:
        version = "/schemas/<version>"
        self.routes = [
            Route(
                "GET",
                version,
                self.actions,
                gives=shape(version=TEXT, actions=array(TEXT)),
            ),
            Route(
                "GET",
                f"{version}/<action>",
                self.schema,
                gives=shape(
                    version=TEXT, action=TEXT, request=OBJECT, response=OBJECT
                ),
            ),
        ]

    async def actions(self, request: IRequest, version: str) -> Any:
        """
        The operations that a central system may ask of stations of that
        version.
        """
        read_query(request)
        actions = sorted(TO_STATION[_version(version)])
        return {"version": version, "actions": actions}

    async def schema(
        self, request: IRequest, version: str, action: str
    ) -> Any:
        """
        The JSON Schemas of an operation: of its request and its answer.
        """
        read_query(request)
        key = _version(version), action
        if key not in REQUESTS:
            raise NotFound(f"{version} has no operation {action!r:.60}")
        return {
            "version": version,
            "action": action,
            "request": REQUESTS[key].source,
            "response": RESPONSES[key].source,
        }


def _version(text: str) -> Version:
    """
    @raise NotFound: we speak no such version.
    """
    try:
        version = Version(text)
    except ValueError:
        version = None
    if version not in TO_STATION:
        known = ", ".join(TO_STATION)
        raise NotFound(f"no version {text!r:.20}; there are: {known}")
    return version
