"""Devices and the ChannelFinder as iocmng has them: nothing where there are none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ioc_runtime.plugin.devices import Devices
from ioc_runtime.plugin.errors import TaskError

if TYPE_CHECKING:
    _Base = Devices
else:
    _Base = object


class ForgivingDevices(_Base):
    """Comes before our base class: its errors are said once, and the answer is None or []."""

    if TYPE_CHECKING:

        def once(self, key: str, text: str) -> None: ...

    def get_device(self, device_name: str) -> Any:
        """A device of the beamline; None where there is none."""
        return self._or(None, lambda: super(ForgivingDevices, self).get_device(device_name))

    def list_devices(self) -> list[str]:
        """Names of the beamline's devices; none where nothing describes it."""
        return self._or([], super().list_devices)

    def create_device(self, *args: Any, **kwargs: Any) -> Any:
        """A device; None where nothing makes it."""
        return self._or(None, lambda: super(ForgivingDevices, self).create_device(*args, **kwargs))

    def cf_search(self, **wanted: Any) -> list[dict[str, Any]]:
        """Channels; none where there is no ChannelFinder."""
        return self._or([], lambda: super(ForgivingDevices, self).cf_search(**wanted))

    def cf_discover_devices(self, **wanted: Any) -> list[dict[str, Any]]:
        """Devices; none where there is no ChannelFinder."""
        return self._or([], lambda: super(ForgivingDevices, self).cf_discover_devices(**wanted))

    def cf_create_device(self, device_descriptor: Mapping[str, Any], cache: bool = True) -> Any:
        """The device of a descriptor; None where nothing makes it."""
        make = super().cf_create_device
        return self._or(None, lambda: make(device_descriptor, cache))

    def _or(self, nothing: Any, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (TaskError, ImportError) as error:
            self.once(str(error), f"gives nothing: {error}")
            return nothing
