"""
The description of the REST API is true: whatever is asked, the answer is one
that it allows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.control import SkipTest
from schemathesis.generation.modes import GenerationMode

from .operated import Operated


#: What is asked of each operation, by how much of it makes sense.
EXAMPLES = {GenerationMode.POSITIVE: 6, GenerationMode.NEGATIVE: 4}

#: There are many commands, and one way to all of them.
FEW = 2

_TRY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

#: What makes a request be about something that is there.
_THERE = {"identity": "CP1", "number": "1", "id_tag": "A1"}


class SchemathesisTests(Operated):
    """
    Many requests that the description allows, and many that it does not.
    """

    def setUp(self) -> None:
        load_all_checks()
        self.checks = CHECKS.get_by_names(
            [
                "status_code_conformance",
                "content_type_conformance",
                "response_headers_conformance",
                "response_schema_conformance",
                "unsupported_method",
            ]
        )
        self.accepted = CHECKS.get_by_names(["positive_data_acceptance"])
        self.headers = {"Authorization": f"Bearer {self.key}"}
        self.schema = schemathesis.openapi.from_url(
            f"http://127.0.0.1:{self.central.port}/docs/openapi.json"
        )

    def check(self, case: Any) -> None:
        for name in case.path_parameters or {}:
            if name in _THERE:
                case.path_parameters[name] = _THERE[name]
        # Nobody makes up a cursor.
        (case.query or {}).pop("cursor", None)
        answer = case.call(headers=self.headers)
        self.assertNotEqual(answer.status_code, 500, case)
        checks = list(self.checks)
        if case.method == "GET":
            # What else is asked may contradict what is.
            checks += self.accepted
        case.validate_response(answer, checks=checks)

    def test_all(self) -> None:
        """
        Whatever is asked, the answer is one that the description allows,
        and never a fault of ours.
        """
        for mode, examples in EXAMPLES.items():
            for operation in self.operations(mode):
                few = FEW if "/ChargePoint/" in operation.path else examples
                try_each = settings(_TRY, max_examples=few)
                cases = given(operation.as_strategy(mode))
                # Where nothing can be wrong there is nothing wrong to ask.
                with contextlib.suppress(SkipTest):
                    try_each(cases(self.check))()
        self.assertNotIn("Traceback", self.central.log)

    def operations(self, mode: Any) -> Iterator[Any]:
        self.schema.config.generation.update(modes=[mode])
        for found in self.schema.get_all_operations():
            operation = found.ok()
            # The stream has no end; see L{tests.test_rest_sockets}.
            if operation.path != "/events":
                yield operation
