"""`iocmng.core.pv_client`: any PV, over the clients of this runtime.

One protocol at a time, as in iocmng: that of the task's links, else PV Access, until
`init` says another. Calls wait in the plugin's own thread; nothing else waits with them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ioc_runtime.plugin.binding import Binding

_lock = threading.Lock()
_provider: str | None = None
_binding: Binding | None = None
_clients: dict[str, Any] = {}
_monitors: dict[str, tuple[str, Any]] = {}
"""Key -> name of the PV, and what ends the subscription."""


def attach(binding: Binding) -> None:
    """The task whose plugin calls (called when the plugin is made)."""
    global _binding
    _binding = binding


def init(pva: bool = True) -> None:
    """Choose the protocol: PV Access, or Channel Access."""
    global _provider
    _provider = "pva" if pva else "ca"


def get_provider() -> str:
    """`pva` or `ca`."""
    if _provider is not None:
        return _provider
    links = (getattr(s, "link", None) for s in _binding.plan.signals) if _binding else ()
    schemes = {link.scheme for link in links if link is not None}
    return "ca" if schemes == {"ca"} else "pva"


def get(pv_name: str, timeout: float = 5.0) -> Any:
    """The value of a PV.

    :raises TimeoutError: no answer in time
    """
    return _client().get(pv_name, timeout)


def put(pv_name: str, value: Any, timeout: float = 5.0) -> None:
    """Write a PV and wait for the answer.

    :raises TimeoutError: no answer in time
    :raises OSError: refused
    """
    if _binding is not None:
        _binding.may_write(pv_name)
    _client().put(pv_name, value, timeout)


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


def _client() -> Any:
    scheme = get_provider()
    with _lock:
        if scheme not in _clients:
            if _binding is None:
                raise RuntimeError("pv_client works once the plugin runs in a task")
            _clients[scheme] = _binding.host.any_pv(scheme)
        return _clients[scheme]
