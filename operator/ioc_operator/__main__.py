"""`python -m ioc_operator`: flags, environment, and the process."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence

from ioc_operator.flags import UsageError, parse
from ioc_operator.kube.credentials import Credentials, NoCluster
from ioc_operator.kube.fault import Fault
from ioc_operator.logs import set_up
from ioc_operator.settings import Settings

USAGE = 2
FAILED = 1

log = logging.getLogger("ioc_operator")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM. Exit codes: 0 ended by a signal, 1 it could not start or has
    failed, 2 a bad flag or variable.
    """
    try:
        settings = parse(sys.argv[1:] if arguments is None else arguments)
        Fault.from_environment()
    except (UsageError, ValueError) as error:
        print(f"ioc-operator: {error}", file=sys.stderr)
        return USAGE
    set_up(settings.log_level, settings.log_format)
    return run(settings)


def run(settings: Settings) -> int:
    """The process, from finding the cluster to its end."""
    credentials = Credentials(settings.kubeconfig or None, settings.context or None)
    try:
        credentials.load()
    except NoCluster as error:
        print(f"ioc-operator: {error}", file=sys.stderr)
        return FAILED

    async def body() -> int:
        from ioc_operator.app import Operator

        return await Operator(settings, credentials).run()

    try:
        return asyncio.run(body())
    except OSError as error:
        log.error("cannot listen on port %d: %s", settings.http_port, error)
        return FAILED
    except Exception:
        log.exception("the operator has failed")
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
