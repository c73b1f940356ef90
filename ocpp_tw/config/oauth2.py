"""
Whose tokens are accepted beside C{[api] jwt_*}: C{conf/oauth2/*.json}.

Each file is an object of applications::

    {"service": {"issuers": ["accounts.example.com"],
                 "client_id": "service-example.com",
                 "client_secret": "...", "algorithm": "HS256"}}

C{jwks_uri}, C{role_claim} and C{role} (of tokens that say none; C{operator}
if not given) are ours; what else such a file may hold has no meaning here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadConfig
from .sites import read_object


_ALGORITHMS = {
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"),
}
_ROLES = ("viewer", "operator", "admin")


def load_providers(folder: str | Path) -> tuple[Mapping[str, Any], ...]:
    """
    Read every file of a folder; no such folder is no providers.

    @return: what makes a provider, as keywords; one for each issuer.
    @raise BadConfig: with everything that is wrong in any of them.
    """
    found: list[Mapping[str, Any]] = []
    problems: list[str] = []
    for file in sorted(Path(folder).glob("*.json")):
        try:
            for name, application in read_object(file).items():
                found += _providers(application, f"{file}: {name}")
        except BadConfig as e:
            problems += e.problems
    if problems:
        raise BadConfig(problems)
    return tuple(found)


def _providers(application: Any, where: str) -> Iterator[Mapping[str, Any]]:
    if not isinstance(application, dict):
        raise BadConfig(f"{where}: must be a JSON object")
    issuers = _list(application, "issuers", where)
    algorithms = _list(application, "algorithms", where) or [
        _text(application, "algorithm", where) or "HS256"
    ]
    for algorithm in algorithms:
        if algorithm not in _ALGORITHMS:
            raise BadConfig(f"{where}: there is no algorithm {algorithm!r}")
    role = _text(application, "role", where, "operator")
    if role not in (*_ROLES, ""):
        raise BadConfig(f'{where}: "role" must be one of {", ".join(_ROLES)}')
    secret = _text(application, "client_secret", where)
    # An empty secret is a place to write one, as in the sample of old.
    asymmetric = [a for a in algorithms if not a.startswith("HS")]
    usable = algorithms if secret else asymmetric
    for issuer in issuers if usable else ():
        yield {
            "issuer": issuer,
            "audience": _text(application, "client_id", where),
            "algorithms": tuple(usable),
            "secret": secret,
            "jwks": _text(application, "jwks_uri", where),
            "role_claim": _text(application, "role_claim", where, "role"),
            "role": role,
        }


def _text(
    application: Mapping[str, Any], name: str, where: str, default: str = ""
) -> str:
    value = application.get(name, default)
    if not isinstance(value, str):
        raise BadConfig(f'{where}: "{name}" must be a text')
    return value


def _list(application: Mapping[str, Any], name: str, where: str) -> list[str]:
    value = application.get(name, [])
    if not isinstance(value, list) or not all(
        isinstance(one, str) and one for one in value
    ):
        raise BadConfig(f'{where}: "{name}" must be a list of texts')
    return value
