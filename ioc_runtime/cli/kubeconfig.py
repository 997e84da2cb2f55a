"""Which cluster is meant, with whose rights: a kubeconfig, or the pod that we are in."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ioc_runtime.cli.failure import Exit, Failure

EXTRA: Final = "pip install 'ioc-operator[operator]'"
USUAL: Final = "~/.kube/config"
_LONGEST: Final = 300


def connect(kubeconfig: Path | None, context: str | None) -> tuple[Any, str]:
    """A client of the `kubernetes` package, and the namespace that the kubeconfig prefers.

    :raises Failure: there is no usable kubeconfig, or the package is missing
    """
    try:
        from kubernetes import config
        from kubernetes.client import ApiClient, Configuration
    except ImportError:
        text = f"talking to a cluster needs the kubernetes package: {EXTRA}"
        raise Failure(text, Exit.NO_CLUSTER) from None
    if not hasattr(ApiClient, "param_serialize"):
        text = f"the kubernetes package is too old for this command: {EXTRA}"
        raise Failure(text, Exit.NO_CLUSTER)
    from yaml import YAMLError

    found = Configuration()
    found.retries = False
    load: Any = config
    in_cluster = not (kubeconfig or context) and "KUBERNETES_SERVICE_HOST" in os.environ
    where = _files(kubeconfig)
    if not in_cluster:
        _check_there(where, named=kubeconfig is not None)
    try:
        if in_cluster:
            load.load_incluster_config(client_configuration=found)
            namespace = _own_namespace()
        else:
            with _heard() as said:
                load.load_kube_config(where, context=context, client_configuration=found)
            if said:  # the package only logs it, and would go on as nobody
                raise config.ConfigException(f"no credentials: {said[0]}")
            namespace = _namespace_of(config, where, context)
    except (config.ConfigException, OSError, ValueError, TypeError, YAMLError) as error:
        why = _why(error, context)
        text = f"no cluster: the kubeconfig {where} cannot be used: {why}"
        raise Failure(text, Exit.NO_CLUSTER) from None
    return ApiClient(found), namespace


@contextmanager
def _heard() -> Iterator[list[str]]:
    """The errors that are logged meanwhile; nothing of them goes to the terminal."""
    said: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    before, root.handlers = root.handlers, [handler]
    try:
        yield said
    finally:
        root.handlers = before


def _files(kubeconfig: Path | None) -> str:
    """The files to read, with colons between them; kubectl too takes an empty variable for none."""
    return str(kubeconfig or os.environ.get("KUBECONFIG") or USUAL)


def _check_there(where: str, *, named: bool) -> None:
    """Whether one of the files exists.

    :raises Failure: none does: what to set
    """
    if any(os.path.exists(os.path.expanduser(path)) for path in where.split(os.pathsep) if path):
        return
    if named or os.environ.get("KUBECONFIG"):
        whose = "" if named else ", which KUBECONFIG names,"
        text = f"no cluster: the kubeconfig {where}{whose} is not there"
    else:
        text = (
            f"no cluster: there is no kubeconfig: expected {USUAL}, or a file that "
            "--kubeconfig or the variable KUBECONFIG names"
        )
    raise Failure(text, Exit.NO_CLUSTER)


def _why(error: Exception, context: str | None) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    if context and f"name {context} in" in words and "contexts" in words:
        return f"it has no context {context!r}"
    if "current-context" in words:
        return "it has no current-context: expected one there, or --context"
    if isinstance(error, TypeError):
        return "it is no kubeconfig"
    return words.removeprefix("Invalid kube-config file. ")[:_LONGEST]


def _namespace_of(config: Any, file: str, context: str | None) -> str:
    contexts, active = config.list_kube_config_contexts(file)
    chosen = next((c for c in contexts if c["name"] == context), active)
    return str(chosen.get("context", {}).get("namespace") or "default")


def _own_namespace() -> str:
    path = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
    return path.read_text().strip() if path.exists() else "default"
