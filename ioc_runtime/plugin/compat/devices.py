"""Devices and the ChannelFinder as iocmng has them: what is not there gives None or nothing."""

from __future__ import annotations

from typing import Any

from ioc_runtime.plugin.devices import Devices
from ioc_runtime.plugin.errors import NotAvailable, UnknownName


class LenientDevices(Devices):
    """Comes before our base class, whose calls raise where iocmng's gave nothing."""

    def get_device(self, name: str) -> Any:
        """The device, or None."""
        return self._or("get_device", None, name)

    def list_devices(self) -> list[str]:
        """Names of the beamline's devices, if there are any."""
        return self._or("list_devices", [])

    def create_device(self, *args: Any, **keywords: Any) -> Any:
        """A device, or None where nothing makes devices."""
        return self._or("create_device", None, *args, **keywords)

    def cf_search(self, **wanted: Any) -> list[dict[str, Any]]:
        """Channels, if there is a ChannelFinder."""
        return self._or("cf_search", [], **wanted)

    def cf_discover_devices(self, **wanted: Any) -> list[dict[str, Any]]:
        """Devices, if there is a ChannelFinder."""
        return self._or("cf_discover_devices", [], **wanted)

    def cf_create_device(self, device: Any, cache: bool = True) -> Any:
        """A device, or None where nothing makes devices."""
        return self._or("cf_create_device", None, device, cache)

    def _or(self, call: str, otherwise: Any, *args: Any, **keywords: Any) -> Any:
        try:
            return getattr(super(), call)(*args, **keywords)
        except (NotAvailable, UnknownName) as error:
            self.once(call, f"{call} gives nothing: {error}")  # type: ignore[attr-defined]
            return otherwise
