"""`python -m ioc_operator`: so far it says what it is, and that it cannot run yet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ioc_operator import __version__

NOT_BUILT = (
    "The operator itself is not built yet: nothing watches a cluster. "
    "`iocctl run FILE` runs the same manifest without a cluster."
)
EX_UNAVAILABLE = 69
"""The exit code of sysexits.h for a service that is not there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer --version and --help; anything else ends with `EX_UNAVAILABLE`."""
    parser = argparse.ArgumentParser(
        prog="python -m ioc_operator",
        description="Turns IocTask and IocJob objects into soft-IOC pods.",
        epilog=NOT_BUILT,
    )
    parser.add_argument("--version", action="version", version=f"ioc-operator {__version__}")
    parser.parse_args(arguments)
    print(NOT_BUILT, file=sys.stderr)
    return EX_UNAVAILABLE


if __name__ == "__main__":
    sys.exit(main())
