"""
Tests for the web pages: what they must not do.
"""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.transports.site import CAREFUL


PAGES = Path(__file__).parent.parent / "www"


def texts(pattern: str) -> dict[str, str]:
    found = {str(p): p.read_text() for p in PAGES.rglob(pattern)}
    assert found, f"no {pattern} in {PAGES}"
    return found


class Elements(HTMLParser):
    """
    The elements of a page.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.found.append((tag, dict(attrs)))


class PageTests(SynchronousTestCase):
    """
    C{www}.
    """

    def test_nothing_inline(self) -> None:
        """
        No page needs a script or style that our Content-Security-Policy
        forbids.
        """
        policy = CAREFUL["Content-Security-Policy"]
        self.assertIn("default-src 'self'", policy)
        self.assertNotIn("unsafe-inline", policy)
        for name, page in texts("*.html").items():
            for tag, attributes in Elements(page).found:
                self.assertNotEqual(tag, "style", name)
                self.assertFalse(
                    [a for a in attributes if a == "style" or a[:2] == "on"],
                    name,
                )
                if tag == "script":
                    self.assertIn("src", attributes, name)

    def test_nothing_foreign(self) -> None:
        """
        Nothing is fetched from anywhere else.
        """
        # A namespace and an example are fetched by nobody; modules are ours
        # where they are named by a relative path.
        address = (
            r"https?://(?!www\.w3\.org/2000/svg|example\.com/)[^\s\"'`]+"
            r"|import\((?![\"`]\.)"
        )
        for name, text in {**texts("*.html"), **texts("*.js")}.items():
            addresses = re.findall(address, text)
            self.assertEqual(addresses, [], name)

    def test_every_language(self) -> None:
        """
        Every text is there in every language, and no other.
        """
        said = re.compile(r'\bt\(\s*("(?:[^"\\]|\\.)*")')
        used = {
            json.loads(text)
            for page in texts("*.js").values()
            for text in said.findall(page)
        }
        groups = texts("schemas.js").popitem()[1].split("GROUPS = ")[1]
        used |= set(re.findall(r'^  "([^"]+)": \[', groups, re.MULTILINE))
        for name, page in texts("words/*.js").items():
            line = r'^  ("(?:[^"\\]|\\.)*"): "'
            known = re.findall(line, page, re.MULTILINE)
            words = {json.loads(word) for word in known}
            self.assertEqual(used - words, set(), name)
            self.assertEqual(words - used, set(), name)

    def test_text_stays_text(self) -> None:
        """
        What a station says is never read as HTML, nor run.
        """
        for name, text in texts("*.js").items():
            for word in (
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "Function(",
            ):
                self.assertNotIn(word, text, name)
