"""
Tests for C{/docs/} in a browser: Swagger UI, of this very server.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from .world import World


class DocsTests(World, SynchronousTestCase):
    """
    The description of the REST API, to be tried out.
    """

    def test_try_out(self) -> None:
        """
        Every part of the API is there, and a call can be tried out; nothing
        is asked of another host, and the browser complains of nothing.
        """
        browser = self.browser
        browser.open("docs/")
        browser.one("#operations-tag-Commands")
        self.assertGreater(len(browser.all(".opblock-tag")), 10)
        browser.one("#operations-tag-Time").click()
        browser.one("#operations-Time-getTime .opblock-summary").click()
        browser.one(".try-out__btn").click()
        browser.one(".execute").click()
        answer = ".live-responses-table"
        browser.one(answer)
        browser.until_read("200", answer)
        browser.until_read("serverTime", answer)
        browser.calm_down()
        here = f"127.0.0.1:{self.central.port}"
        self.assertEqual(browser.hosts(), {here})
        self.assertEqual(browser.errors(), [])
