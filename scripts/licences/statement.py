"""What a package says its licence is, as an SPDX expression.

Newer packages say it in those words. Older ones have free text and classifiers, which are
translated here word for word: a word that is not listed is a question for a person, and the
answer goes into READ with what was read.
"""

from __future__ import annotations

import re
from email.message import Message
from typing import Final

WORDS: Final = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "BSD-2-Clause": "BSD-2-Clause",
    "BSD-3-Clause": "BSD-3-Clause",
    "EPICS": "EPICS",
    "ISC": "ISC",
    "ISC License": "ISC",
    "MIT": "MIT",
    "MIT License": "MIT",
    "MPL-2.0": "MPL-2.0",
    "PSF-2.0": "PSF-2.0",
}
"""Free text of a package -> SPDX."""

CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""Classifiers that name one licence; `BSD License` names several."""

READ: Final = {
    "alabaster": ("BSD-3-Clause", "its LICENSE"),
    "defusedxml": ("PSF-2.0", "its LICENSE"),
    "docutils": ("LicenseRef-Public-Domain AND BSD-2-Clause AND 0BSD", "its COPYING"),
    "flexcache": ("BSD-3-Clause", "its LICENSE"),
    "gitdb": ("BSD-3-Clause", "its LICENSE"),
    "jinja2": ("BSD-3-Clause", "its LICENSE"),
    "lupa": ("MIT", "its LICENSE.txt, and Lua's"),
    "ophyd": ("BSD-3-Clause", "its LICENSE"),
    "p4p": ("BSD-3-Clause", "its LICENSE"),
    "pint": ("BSD-3-Clause", "its LICENSE"),
    "ply": ("BSD-3-Clause", "the head of its sources"),
    "promql-parser": ("MIT", "its LICENSE"),
    "pvxslibs": ("BSD-3-Clause", "its LICENSE"),
    "pyepics": ("EPICS", "its LICENSE, the Epics Open License"),
    "setuptools-dso": ("BSD-3-Clause", "its LICENSE"),
    "sphinxcontrib-applehelp": ("BSD-2-Clause", "the LICENCE in its source archive"),
    "sphinxcontrib-devhelp": ("BSD-2-Clause", "the LICENCE in its source archive"),
    "sphinxcontrib-htmlhelp": ("BSD-2-Clause", "the LICENCE in its source archive"),
    "sphinxcontrib-jsmath": ("BSD-2-Clause", "the LICENCE in its source archive"),
    "sphinxcontrib-qthelp": ("BSD-2-Clause", "the LICENCE in its source archive"),
    "sphinxcontrib-serializinghtml": ("BSD-2-Clause", "the LICENCE in its source archive"),
}
"""Packages that do not say it in words that mean one licence -> SPDX, and what was read."""

Statement = tuple[str, str]
"""An SPDX expression, and where it stands."""


class Unknown(Exception):
    """A package does not say its licence in words that are known here."""


def normal(name: str) -> str:
    """The name of a package as requirements files write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def statement(metadata: Message) -> Statement:
    """The licence of a package by its metadata.

    :raises Unknown: with what it says instead.
    """
    name = normal(metadata["Name"])
    if name in READ:
        return READ[name]
    if expression := metadata["License-Expression"]:
        return expression, "metadata"
    text = (metadata["License"] or "").strip()
    if text in WORDS:
        return WORDS[text], "metadata"
    last = [c.rsplit(" :: ", 1)[-1] for c in metadata.get_all("Classifier") or [] if _licence(c)]
    known = {CLASSIFIERS[word] for word in last if word in CLASSIFIERS}
    if len(known) == 1:
        return known.pop(), "classifier"
    said = [line[:60] for line in text.splitlines()[:1]] + last
    raise Unknown(f"{name} {metadata['Version']} says {' / '.join(said) or 'nothing'}")


def _licence(classifier: str) -> bool:
    return classifier.startswith("License :: ")
