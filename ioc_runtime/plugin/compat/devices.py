"""Devices and the ChannelFinder where this runtime has none: what iocmng gives then."""

from __future__ import annotations

from typing import Any


class NoDevices:
    """Comes after our base class: what that has is used instead."""

    def get_device(self, device_name: str) -> Any:
        """None: there is no such device."""
        self._none("get_device")

    def list_devices(self) -> list[str]:
        """No names."""
        return []

    def create_device(self, *_: Any, **__: Any) -> Any:
        """None: no device can be made."""
        self._none("create_device")

    @property
    def channelfinder(self) -> Any:
        """None: there is no ChannelFinder."""
        self._none("channelfinder")

    def cf_search(self, **_: Any) -> list[dict[str, Any]]:
        """Nothing is found."""
        self._none("cf_search")
        return []

    def cf_discover_devices(self, **_: Any) -> list[dict[str, Any]]:
        """Nothing is found."""
        self._none("cf_discover_devices")
        return []

    def cf_create_device(self, device_descriptor: Any, cache: bool = True) -> Any:
        """None: no device can be made."""
        self._none("cf_create_device")

    def _none(self, call: str) -> None:
        self.once(call, f"{call} gives nothing: there are no devices and no ChannelFinder here")  # type: ignore[attr-defined]
