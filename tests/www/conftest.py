"""
One browser for all tests of the web pages: it takes long to start.
"""

from collections.abc import Iterator

import pytest

from .browser import Browser
from .world import World


@pytest.fixture(scope="session", autouse=True)
def _browser() -> Iterator[None]:
    World.browser = Browser()
    yield
    World.browser.close()
