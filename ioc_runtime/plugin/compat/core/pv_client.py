"""`iocmng.core.pv_client`: any PV, over the clients of this runtime.

One protocol at a time, as in iocmng: that of the task's links, else PV Access, until
`init` says another. Calls wait in the plugin's own thread; nothing else waits with them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ioc_runtime.plugin.pv_access import PvAccess

_lock = threading.Lock()
_provider: str | None = None
_plugin: Any = None
_clients: dict[str, Any] = {}
_monitors: dict[str, tuple[str, Any]] = {}
"""Key -> name of the PV, and what ends the subscription."""


def attach(plugin: Any) -> None:
    """The plugin that calls, a task's or a job's (called when it is made)."""
    global _plugin
    _plugin = plugin


def init(pva: bool = True) -> None:
    """Choose the protocol: PV Access, or Channel Access."""
    global _provider
    _provider = "pva" if pva else "ca"


def get_provider() -> str:
    """`pva` or `ca`."""
    if _provider is not None:
        return _provider
    plan = _bound()._task.plan  # noqa: SLF001 - the plugin's own binding
    schemes = {signal.link.scheme for signal in plan.signals if getattr(signal, "link", None)}
    return "ca" if schemes == {"ca"} or not schemes and plan.protocol == "ca" else "pva"


def get(pv_name: str, timeout: float = 5.0) -> Any:
    """The value of a PV.

    :raises TimeoutError: no answer in time
    """
    reading = _bound().read(f"{get_provider()}://{pv_name}", timeout)
    if not reading.ok:
        raise TimeoutError(f"{pv_name}: {reading.error}")
    return reading.value


def put(pv_name: str, value: Any, timeout: float = 5.0) -> None:
    """Write a PV and wait for the answer.

    :raises PutFailed: refused, no connection or no answer in time; it is an OSError
    """
    _bound().write({f"{get_provider()}://{pv_name}": value}, timeout).raise_for_error()


def monitor(
    pv_name: str,
    callback: Callable[[Any], None],
    name: str | None = None,
    conn_callback: Callable[[bool], None] | None = None,
) -> str:
    """Follow a PV; returns the key for `unmonitor`. Callbacks run in a client's thread."""
    key = name or pv_name
    ends = _client().monitor(pv_name, callback, conn_callback)
    with _lock:
        old = _monitors.pop(key, None)
        _monitors[key] = (pv_name, ends)
    if old is not None:
        old[1]()
    return key


def unmonitor(key: str) -> bool:
    """End a subscription; False where there is none."""
    with _lock:
        found = _monitors.pop(key, None)
    if found is not None:
        found[1]()
    return found is not None


def unmonitor_all() -> int:
    """End all subscriptions; returns how many there were."""
    with _lock:
        found = list(_monitors.values())
        _monitors.clear()
    for _, ends in found:
        ends()
    return len(found)


def active_monitors() -> dict[str, str]:
    """Key -> PV of each subscription."""
    with _lock:
        return {key: pv_name for key, (pv_name, _) in _monitors.items()}


def close() -> None:
    """End all subscriptions and connections."""
    unmonitor_all()
    with _lock:
        clients = list(_clients.values())
        _clients.clear()
    for client in clients:
        client.close()


def _bound() -> PvAccess:
    if _plugin is None:
        raise RuntimeError("pv_client works once the plugin runs in a task")
    plugin: PvAccess = _plugin
    return plugin


def _client() -> Any:
    scheme = get_provider()
    with _lock:
        if scheme not in _clients:
            _clients[scheme] = _bound()._task.host.any_pv(scheme)  # noqa: SLF001 - as above
        return _clients[scheme]
