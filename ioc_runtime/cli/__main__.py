"""`python -m ioc_runtime.cli`: the same as `iocctl`, without an installation."""

from ioc_runtime.cli.main import main

main()
