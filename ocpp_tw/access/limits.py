"""
How often somebody may ask, and how often guess.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Generic, TypeVar

from ..errors import TooManyRequests


V = TypeVar("V")

#: How many clients are told apart; who has been silent longest is forgotten.
MOST = 10_000

#: How often a name, and an address, may fail within L{WINDOW} seconds.
GUESSES, GUESSES_OF_ADDRESS, WINDOW = 10, 50, 900.0


def client_of(address: str) -> str:
    """
    Whom an address stands for: of IPv6 one client has a whole network.

    >>> client_of("10.0.0.1"), client_of("2001:db8::5"), client_of("local")
    ('10.0.0.1', '2001:db8::/64', 'local')
    """
    try:
        if ip_address(address).version == 6:
            return str(ip_network(f"{address}/64", strict=False))
    except ValueError:
        pass
    return address


class _Recent(Generic[V]):
    """
    Something for each of those heard of lately.
    """

    def __init__(self) -> None:
        self._of: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str, default: V) -> V:
        return self._of.get(key, default)

    def put(self, key: str, value: V) -> None:
        self._of[key] = value
        self._of.move_to_end(key)
        if len(self._of) > MOST:
            self._of.popitem(last=False)

    def drop(self, key: str) -> None:
        self._of.pop(key, None)


class Bucket:
    """
    Lets each client ask so often a minute, a sixth of it at once.

    @ivar per_minute: how often; 0 for any.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.per_minute = 0
        self._seconds = seconds
        #: When each client would have its full share again.
        self._full_at: _Recent[float] = _Recent()

    def take(self, address: str) -> None:
        """
        @raise TooManyRequests: this client has to wait.
        """
        if not self.per_minute:
            return
        client = client_of(address)
        now = self._seconds()
        each = 60 / self.per_minute
        burst = max(10.0, each)
        full_at = max(self._full_at.get(client, now), now) + each
        if full_at - now > burst:
            raise TooManyRequests(
                f"more than {self.per_minute} requests a minute",
                full_at - now - burst,
            )
        self._full_at.put(client, full_at)


class Failures:
    """
    Counts wrong passwords, by name and by address.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._failed: _Recent[tuple[int, float]] = _Recent()

    def check(self, address: str, name: str) -> None:
        """
        @raise TooManyRequests: there were too many of them.
        """
        for key, most in self._keys(address, name):
            count, since = self._failed.get(key, (0, 0.0))
            left = since + WINDOW - self._seconds()
            if count >= most and left > 0:
                raise TooManyRequests("too many wrong passwords", left)

    def failed(self, address: str, name: str) -> None:
        """
        There was another one.
        """
        now = self._seconds()
        for key, _ in self._keys(address, name):
            count, since = self._failed.get(key, (0, now))
            if since + WINDOW <= now:
                count, since = 0, now
            self._failed.put(key, (count + 1, since))

    def succeeded(self, name: str) -> None:
        """
        Whoever this is knows the password.
        """
        self._failed.drop(f"name {name}")

    def _keys(self, address: str, name: str) -> list[tuple[str, int]]:
        return [
            (f"name {name}", GUESSES),
            (f"address {client_of(address)}", GUESSES_OF_ADDRESS),
        ]
