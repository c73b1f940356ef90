"""
What must not stand in a log: secrets, and who charges.

>>> Mask(["id_tags"]).frame(b'[2, "7", "Authorize", {"idTag": "A1"}]')
b'[2,"7","Authorize",{"idTag":"***"}]'
>>> Mask(["secrets"]).text("ftp://user:pass@host/x failed")
'ftp://***@host/x failed'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import orjson


#: What stands where something was.
HIDDEN = "***"

#: The names of members, and of variables, whose values are secret.
_SECRETS = r"[a-z0-9_]*(?:password|passwd|secret|authorizationkey|passphrase)"

#: The names of members that say who charges (1.6: idTag; 2.0.1: idToken).
_ID_TAGS = r"(?:parent|stop)?idtag|(?:additional)?idtoken"

#: Where the name of a variable and its value are members side by side:
#: ChangeConfiguration and GetConfiguration; SetVariables and GetVariables.
_NAMED = {"key": "value", "variable": "attributeValue"}

#: A text in JSON, or in Python; it may be cut off.
_STRING = r"(?:\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?)"

#: The element of SOAP with the name of a secret, up to that of its value.
_NAMED_ELEMENT = re.compile(
    rf"(?i)(<(?:[\w.-]+:)?key(?:\s[^<>]*)?>\s*{_SECRETS}\s*</[^<>]*>\s*"
    r"(?:<(?:[\w.-]+:)?readonly[^<>]*>[^<]*</[^<>]*>\s*)?"
    r"<(?:[\w.-]+:)?value(?:\s[^<>]*)?>)[^<]*"
)

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"']*:[^/@\s\"']*(?=@)")
_QUERY = re.compile(
    r"(?i)(?<=[?&])((?:access_)?token|api_?key|password)=[^&\s]+"
)


class Mask:
    """
    Takes out what is configured to be taken out; it is false where that is
    nothing.
    """

    def __init__(self, what: Collection[str]) -> None:
        """
        @param what: any of C{secrets} and C{id_tags}.
        """
        names = {"secrets": _SECRETS, "id_tags": _ID_TAGS}
        self._what = frozenset(what)
        hidden = "|".join(names[each] for each in sorted(self._what))
        self._is_hidden = re.compile(f"(?i)(?:{hidden})").fullmatch
        self._is_secret = re.compile(f"(?i){_SECRETS}").fullmatch
        # A member as it is in JSON, or in Python's repr of it.
        self._member = re.compile(
            rf"(?i)([\"'])({hidden})\1(\s*:\s*)"
            rf"{_STRING}"
        )
        # The same where a name and its value are members side by side.
        self._pair = re.compile(
            rf"(?i)(([\"'])key\2\s*:\s*([\"']){_SECRETS}\3\s*,\s*"
            rf"([\"'])value\4\s*:\s*){_STRING}"
        )
        # An element of SOAP.
        self._element = re.compile(
            rf"(?i)(<(?:[\w.-]+:)?(?:{hidden})(?:\s[^<>]*)?>)[^<]*"
        )

    def __bool__(self) -> bool:
        return bool(self._what)

    def text(self, text: str) -> str:
        """
        Mask what can be recognised in a line.
        """
        if not self._what:
            return text
        text = self._member.sub(rf"\1\2\1\3\1{HIDDEN}\1", text)
        text = self._element.sub(rf"\1{HIDDEN}", text)
        if "secrets" in self._what:
            text = self._pair.sub(rf"\1\4{HIDDEN}\4", text)
            text = _NAMED_ELEMENT.sub(rf"\1{HIDDEN}", text)
            text = _CREDENTIALS.sub(HIDDEN, text)
            text = _QUERY.sub(rf"\1={HIDDEN}", text)
        return text

    def frame(self, frame: bytes) -> bytes:
        """
        Mask a frame, however its JSON is written.
        """
        if not self._what:
            return frame
        try:
            return orjson.dumps(self._value(orjson.loads(frame)))
        except (ValueError, TypeError, RecursionError):
            return self.text(frame.decode(errors="replace")).encode()

    def _value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self._value(each) for each in value]
        if isinstance(value, str) and "secrets" in self._what:
            return _CREDENTIALS.sub(HIDDEN, value)
        return value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        hidden = {name for name in value if self._is_hidden(name)}
        if "secrets" in self._what:
            hidden |= set(_named(value, self._is_secret))
        return {
            name: HIDDEN
            if name in hidden and not isinstance(member, dict | list)
            else self._value(member)
            for name, member in value.items()
        }


def _named(
    value: dict[str, Any], is_secret: Callable[[str], object]
) -> list[str]:
    """
    The members that hold the value of a variable with a secret name.
    """
    return [
        holder
        for named, holder in _NAMED.items()
        if is_secret(_name(value.get(named)))
    ]


def _name(variable: Any) -> str:
    """
    >>> _name("AuthorizationKey"), _name({"name": "BasicAuthPassword"})
    ('AuthorizationKey', 'BasicAuthPassword')
    """
    if isinstance(variable, dict):
        variable = variable.get("name")
    return variable if isinstance(variable, str) else ""
