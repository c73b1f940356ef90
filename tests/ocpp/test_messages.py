"""
Tests for L{ocpp_tw.ocpp.messages}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.ocpp.messages import DEEPEST, BadFrame, Call, parse


class DepthTests(SynchronousTestCase):
    """
    How deep a message may be nested.
    """

    def nested(self, levels: int) -> bytes:
        inner = b"[" * (levels - 2) + b"]" * (levels - 2)
        return b'[2,"1","DataTransfer",{"data":' + inner + b"}]"

    def test_deep(self) -> None:
        """
        What is nested too deep is refused, by its id.
        """
        error = self.assertRaises(BadFrame, parse, self.nested(DEEPEST + 1))
        self.assertEqual(error.unique_id, "1")

    def test_not_too_deep(self) -> None:
        """
        What just is not is read.
        """
        self.assertIsInstance(parse(self.nested(DEEPEST)), Call)

    def test_brackets_in_a_text(self) -> None:
        """
        Brackets in a text are not levels, and a text is no message.
        """
        self.assertRaises(BadFrame, parse, b'"' + b"[" * 100 + b'"')
        frame = b'[2,"1","DataTransfer",{"data":"' + b"{" * 100 + b'"}]'
        self.assertIsInstance(parse(frame), Call)

    def test_broad(self) -> None:
        """
        Many objects beside each other are not deep.
        """
        items = b",".join([b'{"a":[]}'] * 1000)
        frame = b'[2,"1","DataTransfer",{"data":[' + items + b"]}]"
        self.assertIsInstance(parse(frame), Call)
