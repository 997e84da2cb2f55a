"""A conflict with the image's packages, in words that name both sides."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ioc_runtime.plugin.environments.failure import shortened
from ioc_runtime.plugin.environments.installed import Installed, who_needs
from ioc_runtime.plugin.environments.wanted import Asked
from ioc_runtime.requirement import normal

_WORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?=[\s,=<>!~\[;:.)]|$)")
_NEEDS: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:==\S+)? (?:[0-9]\S* )?depends? on ([A-Za-z0-9._-]+)(\S*)"
)


def conflict(
    output: str, line: str, every: Sequence[Asked], packages: Mapping[str, Installed]
) -> str | None:
    """One sentence, or None where the image has no part in it.

    :param output: of the tool, whole
    :param line: its line to show where the sentence cannot say all
    """
    spoken = {normal(word) for word in _WORD.findall(output)}
    direct = [x for x in every if x.requirement.name in spoken & set(packages)]
    direct = [x for x in direct if x.requirement.specifier]
    if direct:
        chosen = direct[0]
        return f"{chosen.requirement} is asked for by {chosen.where}, {_has(chosen, packages)}"
    for needs in _NEEDS.finditer(output):
        name = normal(needs[2])
        if name in packages and f"{name}=={packages[name].version}" in output.replace("_", "-"):
            what = f"{needs[1]} needs {name}{needs[3].rstrip(',.')}"
            asked = next((x for x in every if x.requirement.name == normal(needs[1])), None)
            by = f" and is asked for by {asked.where}" if asked else ""
            return shortened(f"{what}{by}, {_image(name, packages)}")
    blamed = sorted(n for n in spoken & set(packages) if f"{n}=={packages[n].version}" in output)
    return shortened(f"{line}; {_image(blamed[0], packages)}") if blamed else None


def _has(asked: Asked, packages: Mapping[str, Installed]) -> str:
    return _image(asked.requirement.name, packages)


def _image(name: str, packages: Mapping[str, Installed]) -> str:
    return f"the runtime's image has {name} {packages[name].version}{who_needs(name, packages)}"
