"""
Which host name is served which folder: C{conf/sites/*.json}.

Each file is C{{"hosts": ["localhost:9220", ...], "root": "www"}}; a host is
what browsers send as C{Host}, so with the port unless it is 80 or 443.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import BadConfig
from .settings import PAGES
from .words import suggest


#: What a site file may hold; the last two are accepted without a meaning.
_MEMBERS = ("hosts", "root", "listen", "oauth2")


def load_sites(
    folder: str | Path, root: str = PAGES, base: str | Path | None = None
) -> Mapping[str, str]:
    """
    Read every site file of a folder; no such folder is no sites.

    @param root: what is served for hosts whose site file names no root.
    @param base: what relative roots are relative to; the working directory if
        not given.
    @return: the absolute path of the root of each host, in lower case.
    @raise BadConfig: with everything that is wrong in any of them.
    """
    sites: dict[str, str] = {}
    problems: list[str] = []
    for file in sorted(Path(folder).glob("*.json")):
        try:
            site = read_object(file)
            hosts = list(_hosts(site, file))
            path = _absolute(base, _root(site, file, root))
        except BadConfig as e:
            problems += e.problems
            continue
        for host in hosts:
            if sites.setdefault(host, path) != path:
                problems.append(f"{file}: another site has {host!r} already")
    if problems:
        raise BadConfig(problems)
    return sites


def read_object(file: Path) -> Mapping[str, Any]:
    """
    Read a JSON object.

    @raise BadConfig: it cannot be read, or is something else.
    """
    try:
        value = json.loads(file.read_bytes())
    except OSError as e:
        raise BadConfig(f"{file}: {e.strerror}") from e
    except (ValueError, RecursionError) as e:
        raise BadConfig(f"{file}: no JSON: {e}") from e
    if not isinstance(value, dict):
        raise BadConfig(f"{file}: must be a JSON object")
    return value


def _hosts(site: Mapping[str, Any], file: Path) -> Iterator[str]:
    unknown = [name for name in site if name not in _MEMBERS]
    if unknown:
        raise BadConfig(
            f"{file}: no such member {name!r}{suggest(name, _MEMBERS)}"
            for name in unknown
        )
    hosts = site.get("hosts")
    if not isinstance(hosts, list) or not _all_texts(hosts):
        raise BadConfig(
            f'{file}: "hosts" must be a list of names, as '
            '["cs.example.com", "localhost:9220"]'
        )
    return (host.lower() for host in hosts)


def _all_texts(hosts: list[Any]) -> bool:
    return all(isinstance(host, str) and host for host in hosts)


def _root(site: Mapping[str, Any], file: Path, default: str) -> str:
    root = site.get("root", default)
    if not isinstance(root, str) or not root or "\0" in root:
        raise BadConfig(f'{file}: "root" = {root!r}: must be a path')
    return root


def _absolute(base: str | Path | None, path: str) -> str:
    return os.path.normpath(os.path.join(base or os.getcwd(), path))
