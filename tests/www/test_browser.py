"""
Tests for the browser that the other tests use.
"""

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from .browser import find


class FindTests(SynchronousTestCase):
    """
    L{find}.
    """

    def test_missing(self) -> None:
        """
        Where there is no Chromium, it is said which package to install.
        """
        with mock.patch.dict("os.environ", {"PATH": ""}):
            for program, package in (
                ("chromium", "'chromium'"),
                ("chromedriver", "'chromium-driver'"),
            ):
                error = self.assertRaises(AssertionError, find, program)
                self.assertIn(f"install the package {package}", str(error))
