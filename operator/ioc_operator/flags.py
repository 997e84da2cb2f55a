"""Flags and environment variables, read into `Settings`.

Each flag has a variable; the flag wins. A bad value is one sentence, not a traceback.
"""

from __future__ import annotations

import argparse
import os
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, NoReturn

from ioc_operator import __version__
from ioc_operator.kube.fault import VARIABLE as FAULT_VARIABLE
from ioc_operator.settings import Settings

NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
PREFIX: Final = "IOC_OPERATOR_"

EXAMPLES: Final = f"""
exit codes: 0 ended by SIGTERM or SIGINT; 1 it could not start, or has failed; 2 a bad flag

examples:
  python -m ioc_operator
      in a pod: all namespaces, leader election, probes and metrics on port 8080
  python -m ioc_operator --kubeconfig ~/.kube/config --no-leader-election --log-format text
      on a laptop, against a test cluster
  python -m ioc_operator --namespace bl01 --namespace bl02
      two namespaces; Roles in them are enough then
  {PREFIX}NAMESPACES=bl01,bl02 {PREFIX}LOG_FORMAT=json python -m ioc_operator
      the same by environment

for tests: {FAULT_VARIABLE}=exit-before:N or exit-after:N ends the process, without any
clean-up, right before its N-th write to the API server or right after that was answered.
"""


class UsageError(Exception):
    """A flag or variable makes no sense; the text is one sentence."""


@dataclass(frozen=True)
class Flag:
    """One setting: its flag, its variable, and how its text is read."""

    field: str
    help: str
    read: Callable[[str], Any]
    metavar: str
    flag: str = ""
    variable: str = ""
    repeated: bool = False

    @property
    def option(self) -> str:
        return self.flag or "--" + self.field.replace("_", "-")

    @property
    def env(self) -> str:
        return self.variable or PREFIX + self.field.upper()


def text(value: str) -> str:
    """Anything."""
    return value


def filled(value: str) -> str:
    """Anything but nothing."""
    if not value.strip():
        raise ValueError("something")
    return value


def cache(value: str) -> str:
    """A place for what plugins are made of."""
    kind, _, name = value.partition(":")
    absolute = kind == "host" and name.startswith("/")
    if value and not absolute and not (kind == "claim" and name):
        raise ValueError("claim:NAME or host:/PATH")
    return value


def one_of(*words: str) -> Callable[[str], str]:
    """One of these, in whatever case."""

    def read(value: str) -> str:
        for word in words:
            if value.lower() == word.lower():
                return word
        raise ValueError("one of " + ", ".join(word or "(empty)" for word in words))

    return read


def number(low: float, high: float, *, whole: bool = False) -> Callable[[str], float]:
    """A number within bounds."""

    def read(value: str) -> float:
        try:
            found: float = int(value) if whole else float(value)
        except ValueError:
            found = float("nan")
        if not low <= found <= high:
            kind = "a whole number" if whole else "a number"
            raise ValueError(f"{kind} from {low:g} to {high:g}")
        return found

    return read


def boolean(value: str) -> bool:
    """Yes or no, in the usual words."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if value.lower() not in words:
        raise ValueError("true or false")
    return words[value.lower()]


def names(value: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


SECONDS: Final = "SECONDS"
FLAGS: Final = (
    Flag(
        "runtime_image",
        "image of tasks and jobs that name none",
        filled,
        "IMAGE",
        variable="IOC_RUNTIME_IMAGE",
    ),
    Flag(
        "image_pull_policy",
        "pull policy of that image",
        one_of("", "Always", "IfNotPresent", "Never"),
        "POLICY",
    ),
    Flag(
        "runtime_cluster_role",
        "ClusterRole that runtimes report with",
        filled,
        "NAME",
    ),
    Flag(
        "plugin_cache",
        "keeps code and packages of plugins: claim:NAME of a claim in each namespace, or "
        "host:PATH on each node; nothing outlives a pod without it",
        cache,
        "PLACE",
        variable="IOC_PLUGIN_CACHE",
    ),
    Flag(
        "plugin_index",
        "ConfigMap and Secret of a task's namespace, if there, that say where packages come from",
        filled,
        "NAME",
        variable="IOC_PLUGIN_INDEX",
    ),
    Flag(
        "namespaces",
        "namespace to watch, may be repeated; all of them without it",
        names,
        "NAME",
        flag="--namespace",
        repeated=True,
    ),
    Flag(
        "label_selector",
        "IocTasks and IocJobs to look after, as kubectl -l has it",
        text,
        "SELECTOR",
    ),
    Flag("workers", "reconciles at the same time", number(1, 100, whole=True), "N"),
    Flag(
        "kubeconfig",
        "kubeconfig; without it the pod's own account, else KUBECONFIG, else ~/.kube/config",
        text,
        "FILE",
    ),
    Flag("context", "context of the kubeconfig", text, "NAME"),
    Flag(
        "leader_election",
        "take part in the election of a leader (--no-leader-election: lead at once)",
        boolean,
        "",
    ),
    Flag("lease_name", "name of the Lease", filled, "NAME"),
    Flag(
        "lease_namespace",
        "its namespace; without it our own, else default",
        text,
        "NAME",
        variable="POD_NAMESPACE",
    ),
    Flag(
        "identity",
        "what the Lease calls this process; a random part is added",
        text,
        "NAME",
        variable="POD_NAME",
    ),
    Flag("lease_duration", "silence after which a leader counts as dead", number(1, 600), SECONDS),
    Flag(
        "renew_deadline",
        "time without a renewal after which a leader stops writing",
        number(0.5, 600),
        SECONDS,
    ),
    Flag("retry_period", "time between two looks at the Lease", number(0.1, 60), SECONDS),
    Flag(
        "sweep_period",
        "time between two comparisons with the API server",
        number(1, 86_400),
        SECONDS,
    ),
    Flag("http_host", "address of /healthz, /readyz and /metrics; all without it", text, "HOST"),
    Flag("http_port", "port of them; 0: a free one", number(0, 65_535, whole=True), "PORT"),
    Flag("log_format", "text or json", one_of("text", "json"), "FORMAT"),
    Flag(
        "log_level",
        "debug, info, warning or error",
        one_of("DEBUG", "INFO", "WARNING", "ERROR"),
        "LEVEL",
    ),
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, by an exception."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see python -m ioc_operator --help")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = Parser(
        prog="python -m ioc_operator",
        description="Turns IocTask and IocJob objects of a cluster into soft-IOC pods.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"ioc-operator {__version__}")
    defaults = {each.name: each.default for each in fields(Settings)}
    for each in FLAGS:
        default = defaults[each.field]
        shown = "" if default in ("", ()) else f" (default: {default})"
        options: dict[str, Any] = {"help": f"{each.help}{shown} [{each.env}]", "dest": each.field}
        if each.read is boolean:
            made.add_argument(
                each.option,
                action=argparse.BooleanOptionalAction,
                default=None,
                **options,
            )
        else:
            action = "append" if each.repeated else "store"
            made.add_argument(each.option, action=action, metavar=each.metavar, **options)
    return made


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that flags and environment ask for; UsageError where they make no sense."""
    given = vars(parser().parse_args(arguments))
    found: dict[str, Any] = {}
    for flag in FLAGS:
        said = given[flag.field]
        if isinstance(said, bool):
            found[flag.field] = said
        elif said is not None:
            value = ",".join(said) if flag.repeated else said
            found[flag.field] = _read(flag, value, flag.option)
        elif flag.env in environment:
            found[flag.field] = _read(flag, environment[flag.env], flag.env)
    return _complete(Settings(**found))


def _read(flag: Flag, value: str, where: str) -> Any:
    try:
        return flag.read(value)
    except ValueError as expected:
        raise UsageError(f"{where} is {value!r}; expected {expected}") from None


def _complete(settings: Settings) -> Settings:
    """Fill in what depends on where we run, and check what depends on each other."""
    if not settings.retry_period < settings.renew_deadline < settings.lease_duration:
        raise UsageError(
            "--retry-period, --renew-deadline and --lease-duration are "
            f"{settings.retry_period:g}, {settings.renew_deadline:g} and "
            f"{settings.lease_duration:g}; expected each to be less than the next"
        )
    values = {each.name: getattr(settings, each.name) for each in fields(Settings)}
    values["lease_namespace"] = settings.lease_namespace or _own_namespace()
    host = settings.identity or socket.gethostname()
    values["identity"] = f"{host}_{secrets.token_hex(4)}"
    return Settings(**values)


def _own_namespace() -> str:
    try:
        return NAMESPACE_FILE.read_text().strip() or "default"
    except OSError:
        return "default"
