"""
Tests for the reasons that are given for what we depend on.
"""

import re
from configparser import ConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase


CHECKOUT = Path(__file__).parent.parent
DECISIONS = CHECKOUT / "docs" / "decisions"


def requirements() -> list[str]:
    """
    The lines of C{install_requires}.
    """
    setup = ConfigParser()
    setup.read(CHECKOUT / "setup.cfg")
    return setup["options"]["install_requires"].strip().splitlines()


class DecisionTests(SynchronousTestCase):
    """
    C{docs/decisions}.
    """

    def test_dependencies(self) -> None:
        """
        Each dependency has a file that names it with its range.
        """
        for line in requirements():
            name = re.split(r"[\[ ]", line)[0]
            text = (DECISIONS / f"{name}.md").read_text()
            self.assertIn(f"\n    {line}\n", text)

    def test_listed(self) -> None:
        """
        The list of decisions names each, and no other.
        """
        listed = re.findall(
            r"\]\((\S+\.md)\)", (DECISIONS / "README.md").read_text()
        )
        there = {path.name for path in DECISIONS.glob("*.md")} - {"README.md"}
        self.assertEqual(sorted(listed), sorted(there))

    def test_links(self) -> None:
        """
        What the documentation links to is there.
        """
        pages = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")]
        for page in pages:
            for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
                if "://" not in link:
                    there = (page.parent / link).exists()
                    self.assertTrue(there, f"{page.name}: {link}")
