"""
What nobody's station sends: every one is answered, soon and with a fault.
"""

from __future__ import annotations

import gzip
from time import process_time
from typing import Any

from hypothesis import given, settings, strategies as st
from lxml import etree

from ocpp_tw.ocpp.soap import SoapFault, parse, read_call, service_of

from .soap_world import CS16, ENVELOPE, URL, SoapWorld, envelope


AUTHORIZE = "<authorizeRequest><idTag>{}</idTag></authorizeRequest>"


def with_dtd(dtd: str, text: str = "x") -> bytes:
    """
    A message that has a document type declaration.
    """
    message = envelope(AUTHORIZE.format(text)).decode()
    declaration, _, rest = message.partition("\n")
    return f"{declaration}<!DOCTYPE x {dtd}>{rest}".encode()


def laughs(levels: int, each: int) -> str:
    entities = "".join(
        f'<!ENTITY l{i} "{f"&l{i - 1};" * each}">' for i in range(1, levels)
    )
    return f'[<!ENTITY l0 "lol">{entities}]'


#: Documents that are refused, by what is wrong with them.
ATTACKS: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n",
    "no XML": b"\xff\x00\xfe",
    "no envelope": b"<a/>",
    "an envelope alone": f'<e:Envelope xmlns:e="{ENVELOPE}"/>'.encode(),
    "an empty Body": (
        f'<e:Envelope xmlns:e="{ENVELOPE}"><e:Body/></e:Envelope>'
    ).encode(),
    "text in the Body": (
        f'<e:Envelope xmlns:e="{ENVELOPE}"><e:Body>x</e:Body></e:Envelope>'
    ).encode(),
    "two elements in the Body": envelope().replace(
        b"</e:Body>", b"<a/></e:Body>"
    ),
    "no namespace": envelope(namespace=""),
    "billion laughs": with_dtd(laughs(10, 10), "&l9;"),
    "laughs in an attribute": with_dtd(laughs(10, 10)).replace(
        b"<idTag>", b'<idTag a="&l9;">'
    ),
    "quadratic": with_dtd(f'[<!ENTITY a "{"a" * 50_000}">]', "&a;" * 30_000),
    "a file": with_dtd('[<!ENTITY a SYSTEM "file:///etc/passwd">]', "&a;"),
    "a file for a DTD": with_dtd('SYSTEM "file:///etc/passwd"'),
    "a DTD elsewhere": with_dtd('SYSTEM "http://127.0.0.1:1/x.dtd"'),
    "a parameter entity": with_dtd(
        '[<!ENTITY % a SYSTEM "http://127.0.0.1:1/x"> %a;]'
    ),
    "a bare DTD": with_dtd(""),
    "an entity of nobody": envelope(AUTHORIZE.format("&a;")),
    "deep": envelope(AUTHORIZE.format("<a>" * 5000 + "</a>" * 5000)),
    "an open end": envelope()[:-20],
    "an odd encoding": envelope().replace(b"UTF-8", b"klingon"),
    "a character that is none": envelope(AUTHORIZE.format("&#0;")),
    "an attribute twice": envelope(AUTHORIZE.format("A")).replace(
        b"<idTag>", b'<idTag a="" a="">'
    ),
    "a prefix of nobody": envelope(AUTHORIZE.format("<x:y/>")),
    "two of an entity": with_dtd(
        '[<!ENTITY a "&b;"><!ENTITY b "&a;">]', "&a;"
    ),
}

#: Documents that are no attack on us: they are read as what they say.
HARMLESS: dict[str, bytes] = {
    "a reference to itself": envelope(
        '<authorizeRequest><idTag id="a"><b href="#a"/></idTag>'
        "</authorizeRequest>"
    ),
    "a reference to nothing": envelope(
        '<authorizeRequest><idTag href="#b"/></authorizeRequest>'
    ),
    "XInclude": envelope(
        AUTHORIZE.format(
            '<i:include xmlns:i="http://www.w3.org/2001/XInclude"'
            ' parse="text" href="file:///etc/passwd"/>'
        )
    ),
    "another type": envelope(
        '<authorizeRequest><idTag xmlns:i="http://www.w3.org/2001/'
        'XMLSchema-instance" i:type="o:DataTransferRequest">A</idTag>'
        "</authorizeRequest>"
    ),
    "comments": envelope(AUTHORIZE.format("A<!-- x --><?y z?>B")),
    "many attributes": envelope(AUTHORIZE.format("A")).replace(
        b"<idTag>",
        b"<idTag %b>" % b" ".join(b'a%d=""' % n for n in range(20_000)),
    ),
    "many prefixes": envelope(AUTHORIZE.format("A")).replace(
        b"<idTag>",
        b"<idTag %b>" % b" ".join(b'xmlns:a%d="u"' % n for n in range(9_000)),
    ),
    "many headers": envelope(AUTHORIZE.format("A"), header="<x/>" * 40_000),
    "an unknown member": envelope(
        "<authorizeRequest><idTag>A</idTag><x><y/></x></authorizeRequest>"
    ),
}


class HostileTests(SoapWorld):
    def setUp(self) -> None:
        super().setUp()
        self.stations_backend.answers["Authorize"] = {
            "idTagInfo": {"status": "Accepted"}
        }

    def test_attacks(self) -> None:
        """
        Every hostile document is a fault of its sender, and costs little.
        """
        for name, document in ATTACKS.items():
            before = process_time()
            answer = self.post(document)
            self.assertLess(process_time() - before, 0.5, name)
            self.assertEqual(self.fault(answer)[:2], (400, "Sender"), name)
            self.assertNotIn(b"root:", answer.body, name)
        self.assertEqual(self.stations_backend.calls, [])
        self.assertEqual(list(self.router.stations()), [])

    def test_harmless(self) -> None:
        """
        What other SOAP stacks stumble over is only text to us.
        """
        for name, document in HARMLESS.items():
            answer = self.post(document)
            self.assertNotIn(b"root:", answer.body, name)
            if answer.status != 200:
                self.assertEqual(self.fault(answer)[1], "Sender", name)
        tags = [c.payload["idTag"] for c in self.stations_backend.calls]
        self.assertLessEqual({"A", "AB"}, set(tags))

    def test_too_large(self) -> None:
        """
        A message that is too large is not read.
        """
        large = envelope(AUTHORIZE.format("x" * (1 << 18)))
        self.assertEqual(self.post(large).status, 413)

    def test_bombs(self) -> None:
        """
        What is compressed is only as large as what is not.
        """
        bomb = gzip.compress(envelope(AUTHORIZE.format("x" * (1 << 26))))
        headers = {"Content-Type": "text/xml", "Content-Encoding": "gzip"}
        self.assertEqual(self.post(bomb, headers=headers).status, 413)
        self.assertEqual(self.post(b"x", headers=headers).status, 400)
        headers["Content-Encoding"] = "br"
        self.assertEqual(self.post(envelope(), headers=headers).status, 415)

    def test_host(self) -> None:
        """
        Whatever the header Host says, there is an answer that says no more.
        """
        message = envelope()
        for host in (b"", b"\xff\xfe", b"a\x01b", b"<&\"'>", b"x" * 5000):
            for request in (
                b"GET /Ocpp?wsdl HTTP/1.1\r\nHost: %b\r\n\r\n" % host,
                b"POST /Ocpp HTTP/1.1\r\nHost: %b\r\nContent-Length: %d"
                b"\r\n\r\n%b" % (host, len(message), message),
            ):
                transport = self.connect()
                transport.protocol.dataReceived(request)
                status = transport.value()[9:12]
                self.assertIn(status, (b"200", b"400"), (host, request[:4]))

    def test_headers(self) -> None:
        """
        So it is with any octets in the headers that we read.
        """
        message = envelope()
        for name in (b"Content-Type", b"Content-Encoding", b"Authorization"):
            for value in (b"\xff\xfe", b"a\x01b", b";" * 5000, b"Basic \xff"):
                transport = self.connect()
                transport.protocol.dataReceived(
                    b"POST /Ocpp HTTP/1.1\r\nHost: x\r\n%b: %b\r\n"
                    b"Content-Length: %d\r\n\r\n%b"
                    % (name, value, len(message), message)
                )
                status = transport.value()[9:12]
                self.assertIn(status, (b"200", b"415", b"400"), (name, value))

    def test_other_media(self) -> None:
        """
        What a browser sends without asking, and attachments, are no
        messages.
        """
        for content_type in (
            'multipart/related; type="application/xop+xml"; boundary=x',
            "text/plain",
            "application/json",
        ):
            answer = self.post(
                envelope(), headers={"Content-Type": content_type}
            )
            self.assertEqual(answer.status, 415, content_type)
        self.assertEqual(self.stations_backend.calls, [])

    def test_methods(self) -> None:
        """
        There is nothing to PUT or DELETE here.
        """
        for method in ("PUT", "DELETE", "PATCH"):
            answer = self.successResultOf(self.start(method, URL))
            self.assertIn(answer.status, (405, 501), method)

    def test_nobody_is_made_up(self) -> None:
        """
        A message that is refused makes no station known.
        """
        self.post(envelope(namespace="urn:x", identity="GHOST"))
        self.assertIsNone(self.router.fleet.get("GHOST"))


_names = st.sampled_from(
    ["authorizeRequest", "idTag", "meterValuesRequest", "meterValue", "x"]
)
_trees: Any = st.recursive(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2000), max_size=9),
    lambda children: st.tuples(_names, st.lists(children, max_size=4)),
    max_leaves=12,
)


def _element(parent: Any, tree: Any) -> None:
    if isinstance(tree, str):
        parent.text = (parent.text or "") + tree
        return
    name, children = tree
    element = etree.SubElement(parent, f"{{{CS16}}}{name}")
    for child in children:
        _element(element, child)


class FuzzTests(SoapWorld):
    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_trees(self, data: st.DataObject) -> None:
        """
        Whatever elements there are, it is a Call or a fault.
        """
        root = etree.fromstring(envelope())
        body = root[1]
        body.remove(body[0])
        _element(body, data.draw(st.tuples(_names, st.lists(_trees))))
        self._read(etree.tostring(root))

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_octets(self, data: st.DataObject) -> None:
        """
        Whatever octets are changed, it is a Call or a fault.
        """
        document = bytearray(envelope(AUTHORIZE.format("A")))
        for _ in range(data.draw(st.integers(1, 8))):
            at = data.draw(st.integers(0, len(document) - 1))
            document[at : at + 1] = data.draw(st.binary(max_size=3))
        self._read(bytes(document))

    def _read(self, document: bytes) -> None:
        try:
            message = parse(document)
            call = read_call(message, service_of(message))
        except SoapFault:
            return
        self.assertIsInstance(call.payload, dict)
