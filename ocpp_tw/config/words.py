"""
Helping who mistyped a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """
    The known word that was probably meant.

    >>> nearest("prot", ["root", "port"])
    'port'
    """
    words = {known_word.lower(): known_word for known_word in known}
    close = get_close_matches(word.lower(), words)
    # Swapped letters are the likeliest mistake.
    close.sort(key=lambda near: sorted(near) != sorted(word.lower()))
    return words[close[0]] if close else None


def suggest(word: str, known: Iterable[str]) -> str:
    """
    The end of a sentence that said there is no such word.

    >>> suggest("prot", ["port", "listen"])
    '; did you mean port?'
    >>> suggest("x", ["port", "listen"])
    '; there are: listen, port'
    """
    words = sorted(known)
    near = nearest(word, words)
    if near:
        return f"; did you mean {near}?"
    return f"; there are: {', '.join(words)}"
