"""The commit that a plugin from Git stays at: found once, by a pod, and kept. Pure.

A pod says in its report which commit it runs. The operator puts it into the ConfigMap, as
long as it is of the address and the ref that the spec names, and the next start takes it
from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ioc_operator.desired import FETCHED_FIELDS, Wanted, digest

COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def kept(wanted: Wanted, *said: object) -> dict[str, str] | None:
    """url, ref and commit, from the first of `said` that is of the present source.

    :param said: what reports and notes hold, of whatever type
    """
    git = wanted.plugin.get("git")
    if not isinstance(git, Mapping):
        return None
    url, ref = git.get("url"), git.get("ref") or "HEAD"
    for each in said:
        found = _fields(each)
        commit = found.get("commit")
        same = found.get("url") == url and found.get("ref") == ref
        if same and isinstance(commit, str) and COMMIT.fullmatch(commit):
            return {"url": str(url), "ref": str(ref), "commit": commit}
    return None


def made_of(wanted: Wanted) -> str:
    """Of what has to be fetched for its plugin: another one, and it is fetched anew; "" for
    nothing.
    """
    if not wanted.fetches:
        return ""
    plugin = wanted.plugin
    return digest({field: plugin[field] for field in FETCHED_FIELDS if field in plugin})


def _fields(said: object) -> Mapping[str, Any]:
    if isinstance(said, str):
        try:
            said = json.loads(said)
        except (ValueError, RecursionError):
            return {}
    return said if isinstance(said, Mapping) else {}
