"""
Tests for L{ocpp_tw.ocpp.messages}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.errors import ErrorCode
from ocpp_tw.ocpp.messages import (
    DEEPEST,
    LONGEST_ID,
    BadFrame,
    Call,
    CallError,
    CallResult,
    parse,
    serialize,
    spell,
)
from ocpp_tw.ocpp.versions import SPOKEN, Version, negotiate


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


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parse}.
    """

    def test_messages(self) -> None:
        """
        The three messages are read, and what stations write instead of them.
        """
        for frame, message in (
            (b'[2,"1","A",{"b":1}]', Call("1", "A", {"b": 1})),
            (b' [ 2 , "1" , "A" , { } ]\n', Call("1", "A", {})),
            (b'[2,"1","A",null]', Call("1", "A", {})),
            (b'[3,"1",{"b":1}]', CallResult("1", {"b": 1})),
            (b'[3,"1",null]', CallResult("1", {})),
            (b'[3,"1"]', CallResult("1", {})),
            (
                b'[4,"1","E","why",{"b":1}]',
                CallError("1", "E", "why", {"b": 1}),
            ),
            (b'[4,"1","E","why"]', CallError("1", "E", "why")),
            (b'[4,"1","E"]', CallError("1", "E")),
            (b'[4,"1","E",null,null]', CallError("1", "E")),
            (b'[4,"1","E",5,[]]', CallError("1", "E")),
        ):
            self.assertEqual(parse(frame), message, frame)

    def test_refused(self) -> None:
        """
        What is no message says what is wrong, with the id of a CALL where
        that can be read.
        """
        for frame, unique_id in (
            (b'[2,"1"]', "1"),
            (b'[2,"1","A"]', "1"),
            (b'[2,"1","A",{},{}]', "1"),
            (b'[2,"1",5,{}]', "1"),
            (b'[2,"1","A","{}"]', "1"),
            (b'[2,"1","A",{"a":"\\x"}]', "1"),
            (b'[2, "1", "A", {"a": NaN}]', "1"),
            (b'[2,"1","A",{}', "1"),
            (b'[2,"1","A",{"a":"\xff"}]', "1"),
            (b'[5,"1","A",{}]', "1"),
            (b'["2","1","A",{}]', "1"),
            (b'[true,"1","A",{}]', "1"),
            (b'[2.0,"1","A",5]', "1"),
            (b'[3,"1",[]]', None),
            (b'[3,"1",{},{}]', None),
            (b'[4,"1",5]', None),
            (b'[2,1,"A",{}]', None),
            (b'[2,null,"A",{}]', None),
            (b'[2,"","A",{}]', None),
            (b"[2]", None),
            (b"[]", None),
            (b"{}", None),
            (b"5", None),
            (b"", None),
            (b"\x00", None),
            (b"\xef\xbb\xbf[]", None),
        ):
            bad = self.assertRaises(BadFrame, parse, frame)
            self.assertEqual(bad.unique_id, unique_id, frame)
            self.assertTrue(str(bad))
            self.assertLess(len(str(bad)), 200)

    def test_length_of_ids(self) -> None:
        """
        An id has an end.
        """
        for length in (1, 36, LONGEST_ID):
            frame = b'[2,"%b","A",{}]' % (b"x" * length)
            self.assertIsInstance(parse(frame), Call)
        frame = b'[2,"%b","A",{}]' % (b"x" * (LONGEST_ID + 1))
        self.assertIsNone(self.assertRaises(BadFrame, parse, frame).unique_id)


class SerializeTests(SynchronousTestCase):
    """
    Tests for L{serialize}.
    """

    def test_compact(self) -> None:
        """
        It is compact, in UTF-8, with the members in their order; read again
        it is the same.
        """
        for message, frame in (
            (
                Call("1", "A", {"z": 1, "a": "ü"}),
                '[2,"1","A",{"z":1,"a":"ü"}]',
            ),
            (
                CallResult("1", {"z": [], "a": None}),
                '[3,"1",{"z":[],"a":null}]',
            ),
            (CallError("1", "E"), '[4,"1","E","",{}]'),
            (CallError("1", "E", "d", {"a": 1}), '[4,"1","E","d",{"a":1}]'),
        ):
            self.assertEqual(serialize(message), frame.encode())
            self.assertEqual(parse(frame.encode()), message)


class SpellTests(SynchronousTestCase):
    """
    Tests for L{spell}.
    """

    def test_versions(self) -> None:
        """
        Each code has the spelling of each version; other words stay.
        """
        for code, in_16, in_201 in (
            (
                ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
                "OccurenceConstraintViolation",
                "OccurrenceConstraintViolation",
            ),
            (
                ErrorCode.FORMATION_VIOLATION,
                "FormationViolation",
                "FormatViolation",
            ),
            (
                ErrorCode.RPC_FRAMEWORK_ERROR,
                "FormationViolation",
                "RpcFrameworkError",
            ),
            (
                ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED,
                "FormationViolation",
                "MessageTypeNotSupported",
            ),
            (ErrorCode.SECURITY_ERROR, "SecurityError", "SecurityError"),
            ("Tired", "Tired", "Tired"),
        ):
            self.assertEqual(spell(code, Version.V16), in_16)
            self.assertEqual(spell(code, Version.V201), in_201)
            self.assertEqual(spell(code, Version.V21), in_201)


class NegotiateTests(SynchronousTestCase):
    """
    Tests for L{negotiate}.
    """

    def test_order_of_the_station(self) -> None:
        """
        The first that we speak wins; a name that is not registered is none.
        """
        for name, version in SPOKEN.items():
            self.assertEqual(negotiate(["x", name, *SPOKEN]), version)
            self.assertIsNone(negotiate([name.upper(), f" {name}", ""]))
        self.assertIsNone(negotiate([]))
