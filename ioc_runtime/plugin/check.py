"""Whether a plan's plugin can be loaded: `python -m ioc_runtime.plugin.check PLAN [FETCHED]`.

`iocctl run --watch` asks it before it ends a process that works. What the plugin's modules print
goes to standard error; standard output has what is wrong, a sentence with file and line and
then the frames of the plugin's files. Exit code 0: it can; 15: it cannot.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ioc_runtime.plan import from_json
from ioc_runtime.plugin.errors import BAD_PLUGIN, PluginError
from ioc_runtime.plugin.fetched import Fetched
from ioc_runtime.plugin.loader import load


def main(path: str, outcome: str | None = None) -> int:
    """The exit code; `outcome` is what `ioc_runtime.fetch` has written."""
    plan = from_json(Path(path).read_text(encoding="utf-8"))
    fetched = Fetched.read(Path(outcome)) if outcome is not None else Fetched()
    fetched.use_packages()
    said_to = os.dup(1)
    os.dup2(2, 1)
    try:
        loaded = load(plan, directory=fetched.directory)
    except PluginError as error:
        os.write(said_to, f"{error}\n{error.traceback}".encode())
        return BAD_PLUGIN
    loaded.close()
    return 0


if __name__ == "__main__":
    code = main(*sys.argv[1:3])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that the plugin's modules have started do not count
