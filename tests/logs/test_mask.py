"""
Tests for L{ocpp_tw.logs.mask}.
"""

import orjson
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.logs.mask import HIDDEN, Mask


SECRETS, ID_TAGS = Mask(["secrets"]), Mask(["id_tags"])


def masked(mask, payload):
    return orjson.loads(mask.frame(orjson.dumps([2, "7", "X", payload])))[3]


class FrameTests(SynchronousTestCase):
    """
    Masking frames.
    """

    def test_id_tags(self):
        """
        Who charges is hidden in every version, however deep it is.
        """
        for payload, hidden in [
            ({"idTag": "A"}, {"idTag": HIDDEN}),
            (
                {"idTagInfo": {"parentIdTag": "A", "status": "Accepted"}},
                {"idTagInfo": {"parentIdTag": HIDDEN, "status": "Accepted"}},
            ),
            (
                {"idToken": {"idToken": "A", "type": "ISO14443"}},
                {"idToken": {"idToken": HIDDEN, "type": "ISO14443"}},
            ),
            (
                {"localAuthorizationList": [{"idTag": "A"}]},
                {"localAuthorizationList": [{"idTag": HIDDEN}]},
            ),
        ]:
            self.assertEqual(masked(ID_TAGS, payload), hidden)
            self.assertEqual(masked(SECRETS, payload), payload)

    def test_secrets(self):
        """
        Keys and passwords are hidden, and those in an URL.
        """
        for payload, hidden in [
            (
                {"key": "AuthorizationKey", "value": "ab"},
                {"key": "AuthorizationKey", "value": HIDDEN},
            ),
            (
                {
                    "variable": {"name": "BasicAuthPassword"},
                    "attributeValue": "p",
                },
                {
                    "variable": {"name": "BasicAuthPassword"},
                    "attributeValue": HIDDEN,
                },
            ),
            ({"apn": {"apnPassword": "p"}}, {"apn": {"apnPassword": HIDDEN}}),
            ({"location": "ftp://u:p@h/f"}, {"location": "ftp://***@h/f"}),
        ]:
            self.assertEqual(masked(SECRETS, payload), hidden)
            self.assertEqual(masked(ID_TAGS, payload), payload)

    def test_others(self):
        """
        What is not secret stays.
        """
        payload = {"key": "HeartbeatInterval", "value": "10", "secrets": [1]}
        self.assertEqual(masked(SECRETS, payload), payload)

    def test_escapes(self):
        """
        A name that is written with escapes is the same name.
        """
        frame = ID_TAGS.frame(b'[2, "7", "X", {"id\\u0054ag": "A1"}]')
        self.assertNotIn(b"A1", frame)

    def test_no_message(self):
        """
        A frame that is cut off is masked as far as can be seen.
        """
        frame = ID_TAGS.frame(b'[2, "7", "X", {"idTag": "A1')
        self.assertEqual(frame, b'[2, "7", "X", {"idTag": "***"')

    def test_deep(self):
        """
        A frame nested too deep to be understood is masked all the same.
        """
        frame = b"[" * 5000 + b'{"idTag": "A1"}'
        self.assertNotIn(b"A1", ID_TAGS.frame(frame))
        self.assertNotIn(b"A1", ID_TAGS.frame(frame + b"]" * 5000))

    def test_nothing(self):
        """
        Where nothing is to be masked, a frame stays as it came.
        """
        frame = b'[2, "7", "X", {"idTag": "A1"}]'
        self.assertIs(Mask(()).frame(frame), frame)
        self.assertFalse(Mask(()))


class TextTests(SynchronousTestCase):
    """
    Masking lines.
    """

    def test_members(self):
        """
        Members are recognised in JSON, and in Python's repr.
        """
        for text, hidden in [
            ("""{"idTag": "A\\"1"}""", """{"idTag": "***"}"""),
            ("""{'idTag': 'A1'}""", """{'idTag': '***'}"""),
            ("""{'idTag': "A'1"}""", """{'idTag': '***'}"""),
        ]:
            self.assertEqual(ID_TAGS.text(text), hidden)

    def test_secrets(self):
        """
        Credentials are hidden in URLs.
        """
        self.assertEqual(
            SECRETS.text("GET /x?a=1&api_key=k9 https://u:p@h/"),
            "GET /x?a=1&api_key=*** https://***@h/",
        )

    def test_pairs(self):
        """
        A secret beside its name, too, of JSON, Python or SOAP.
        """
        mask = Mask(["secrets", "id_tags"])
        for text in (
            '[2, "1", {"key": "AuthorizationKey", "value": "s3cret',
            "{'key': 'AuthorizationKey', 'value': 's3cret'}",
            "<key>AuthorizationKey</key><value>s3cret</value>",
            "<a:key>AuthorizationKey</a:key><a:readonly>false</a:readonly>"
            "<a:value>s3cret</a:value>",
            '{"additionalIdToken": "s3cret", "type": "x"',
        ):
            masked = mask.text(text)
            self.assertNotIn("s3cret", masked)
            self.assertIn("***", masked)
        plain = "{'key': 'HeartbeatInterval', 'value': '5'}"
        self.assertEqual(mask.text(plain), plain)
