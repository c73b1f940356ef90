"""
What a firmware file says of itself, in lines before all else, if it does::

    model: Virtual
    version: 2.1.0
    sha256: 59b9b59e2919cd0cbc2201b0de3ef820514e152e0bac70a5094781e00e59a18b

    whatever the charge point is made of

Every other file is firmware for any model, without a digest.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import urlsplit

from attrs import field, frozen


_HEAD = re.compile(rb"((?:(?:model|version|sha256): [ -~]{1,100}\r?\n)+)\r?\n")


@frozen
class Firmware:
    """
    @ivar said: what it says of itself, by the names above.
    @ivar content: what follows.
    """

    content: bytes
    said: dict[str, str] = field(factory=dict)

    @classmethod
    def read(cls, body: bytes) -> Firmware:
        """
        >>> Firmware.read(b"model: Virtual\\n\\nx").said
        {'model': 'Virtual'}
        >>> Firmware.read(b"anything else").said
        {}
        """
        head = _HEAD.match(body)
        if head is None:
            return cls(body)
        lines = head[1].decode().splitlines()
        pairs = [line.partition(": ") for line in lines]
        said = {name: value.strip() for name, _, value in pairs}
        return cls(body[head.end() :], said)

    def is_for(self, model: str) -> bool:
        return self.said.get("model", model) == model

    @property
    def is_whole(self) -> bool:
        """
        Whether it has the digest that it says.
        """
        digest = self.said.get("sha256")
        return digest is None or (
            hashlib.sha256(self.content).hexdigest() == digest.lower()
        )

    def version(self, url: str) -> str:
        """
        How it is called: as it says, as its file is, or by its hash.

        >>> Firmware(b"").version("http://localhost/fw/ocpp-2.1.bin?x=1")
        'ocpp-2.1.bin'
        """
        name = urlsplit(url).path.rpartition("/")[2]
        named = self.said.get("version") or name
        return named[:50] or hashlib.sha256(self.content).hexdigest()[:12]
