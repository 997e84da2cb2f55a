"""Devices (ophyd) and ChannelFinder for plugins, both optional.

Nothing here is loaded, and nothing asked for, before a plugin calls it. Parameters say
where things are: `beamline_config` (a file), `device_factory` (`module:callable`),
`channelfinder_url` and `channelfinder_timeout`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ioc_runtime.plugin.bound import Bound
from ioc_runtime.plugin.errors import BadValue, NotAvailable, UnknownName, nearest

if TYPE_CHECKING:
    from ioc_runtime.plugin.channelfinder import ChannelFinder
    from ioc_runtime.plugin.device_index import Device

FACTORY: Final = "infn_ophyd_hal.device_factory"
"""Module whose `DeviceFactory` makes devices where no other factory is named."""


class Devices(Bound):
    """Devices and ChannelFinder, for tasks and jobs. The calls wait for their servers."""

    # devices

    def get_device(self, name: str) -> Any:
        """A device of the beamline by its name, made at the first call.

        :raises UnknownName: the beamline has no such device.
        :raises NotAvailable: no file describes the beamline, or nothing makes devices.
        """
        device = self._devices.find(name)
        return self._devices.make(
            device.prefix, device.devgroup, device.devtype, device.name, name, device.config
        )

    def list_devices(self) -> list[str]:
        """Names of the beamline's devices.

        :raises NotAvailable: no file describes it.
        """
        return list(self._devices.index)

    def create_device(
        self, prefix: str, devgroup: str, devtype: str, name: str | None = None, cache: bool = True
    ) -> Any:
        """A device by its PV prefix, group (`mot`, `vac`, ...) and type.

        :param name: by default the last part of the prefix
        :param cache: give the same one again for the same name
        :raises NotAvailable: nothing makes devices.
        :raises BadValue: nothing makes such a device.
        """
        name = name or prefix.rstrip(":").rpartition(":")[2]
        return self._devices.make(prefix, devgroup, devtype, name, name if cache else None, {})

    # ChannelFinder

    @property
    def channelfinder(self) -> ChannelFinder | None:
        """The service at the parameter `channelfinder_url`; None without one."""
        return self._devices.finder

    def cf_search(self, **wanted: Any) -> list[dict[str, Any]]:
        """Channels by `name`, `tag` and properties (`devgroup="mot"`), each with `*` and `?`.

        :raises NotAvailable: there is no parameter `channelfinder_url`.
        :raises ReadFailed: no answer, or an error.
        """
        return self._devices.finding().search(**wanted)

    def cf_discover_devices(self, **wanted: Any) -> list[dict[str, Any]]:
        """The devices that such channels belong to; each is good for `cf_create_device`.

        :raises NotAvailable: there is no parameter `channelfinder_url`.
        :raises ReadFailed: no answer, or an error.
        """
        return self._devices.finding().discover_devices(**wanted)

    def cf_create_device(self, device: Mapping[str, Any], cache: bool = True) -> Any:
        """The device of what `cf_discover_devices` or `cf_search` found.

        :raises BadValue: name, prefix, devgroup or devtype are not in it.
        :raises NotAvailable: nothing makes devices.
        """
        if "prefix" not in device and "properties" in device:
            from ioc_runtime.plugin.channelfinder import devices_of

            (device,) = devices_of([dict(device)])
        fields = ("prefix", "devgroup", "devtype", "name")
        missing = [field for field in fields if not device.get(field)]
        if missing:
            found = device.get("name", "a device")
            raise BadValue(f"cf_create_device: {found!r} has no {', '.join(missing)}")
        prefix, devgroup, devtype, name = (str(device[field]) for field in fields)
        return self.create_device(prefix, devgroup, devtype, name, cache)

    @cached_property
    def _devices(self) -> _Devices:
        return _Devices(self._task.parameters, sys.modules.get(type(self).__module__))


class _Devices:
    """The devices of one plugin instance."""

    def __init__(self, parameters: Mapping[str, Any], module: Any) -> None:
        self._parameters, self._module = parameters, module
        self._made: dict[str, Any] = {}

    @cached_property
    def index(self) -> dict[str, Device]:
        """What the beamline's file describes."""
        from ioc_runtime.plugin.device_index import read_index

        file = self._parameters.get("beamline_config")
        if not file:
            raise NotAvailable(
                "no file describes the beamline: expected its path in the parameter beamline_config"
            )
        beside = getattr(self._module, "__file__", None) or "."
        return read_index(Path(beside).parent / str(file))

    def find(self, name: str) -> Device:
        if name not in self.index:
            raise UnknownName(f"no device {name!r}{nearest(str(name), self.index)}")
        return self.index[name]

    def make(
        self,
        prefix: str,
        devgroup: str,
        devtype: str,
        name: str,
        key: str | None,
        config: Mapping[str, Any],
    ) -> Any:
        """A device, or the one that was made under this key before."""
        if key is not None and key in self._made:
            return self._made[key]
        made = self._factory(
            devgroup=devgroup, devtype=devtype, prefix=prefix, name=name, config=dict(config)
        )
        if made is None:
            raise BadValue(
                f"{name!r}: nothing makes devices of devgroup {devgroup}, type {devtype}"
            )
        if key is not None:
            self._made[key] = made
        return made

    @cached_property
    def _factory(self) -> Callable[..., Any]:
        named = self._parameters.get("device_factory")
        if named:
            return self._named(str(named))
        try:
            factory: Callable[..., Any] = import_module(FACTORY).DeviceFactory().create_device
        except ImportError as error:
            raise NotAvailable(
                f"nothing makes devices here ({error}): install ioc-operator[devices], add "
                "infn-ophyd-hal to plugin.requirements, or name a factory in the parameter "
                "device_factory (module:callable)"
            ) from None
        return factory

    def _named(self, named: str) -> Callable[..., Any]:
        """A callable of a module: one of the plugin's own, else one that is installed."""
        module, _, attribute = named.partition(":")
        package = str(getattr(self._module, "__name__", "")).partition(".")[0]
        try:
            try:
                found = import_module(f"{package}.{module}")
            except ModuleNotFoundError as error:
                if error.name != f"{package}.{module}":
                    raise
                found = import_module(module)
            factory = getattr(found, attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise NotAvailable(
                f"device_factory: expected module:callable, got {named!r} ({error})"
            ) from None
        if not callable(factory):
            raise NotAvailable(f"device_factory: {named!r} cannot be called")
        made: Callable[..., Any] = factory
        return made

    # ChannelFinder

    @cached_property
    def finder(self) -> ChannelFinder | None:
        url = self._parameters.get("channelfinder_url")
        if not url:
            return None
        from ioc_runtime.plugin.channelfinder import ChannelFinder

        return ChannelFinder(str(url), float(self._parameters.get("channelfinder_timeout", 10.0)))

    def finding(self) -> ChannelFinder:
        if self.finder is None:
            raise NotAvailable(
                "no ChannelFinder: expected its address in the parameter channelfinder_url"
            )
        return self.finder
