"""What tasks and jobs of iocmng have in common, over ours.

iocmng is forgiving: a name that does not exist is a write that does nothing. Here each
such call is said once in the log.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ioc_runtime.plugin.compat.core import pv_client
from ioc_runtime.plugin.compat.core.plugin_spec import PluginSpec, PvArgumentSpec, spec_of
from ioc_runtime.plugin.errors import NotYours, UnknownName

if TYPE_CHECKING:
    from ioc_runtime.plugin.binding import Binding

_said: set[tuple[int, str]] = set()


class Record:
    """One entry of `self.pvs`: get and set, as of a soft IOC's record."""

    def __init__(self, owner: Common, name: str) -> None:
        self._owner, self.name = owner, name

    def get(self) -> Any:
        """The last value."""
        return self._owner.get_pv(self.name)

    def set(self, value: Any, **_: Any) -> None:
        """Write it, as `set_pv` does."""
        self._owner.set_pv(self.name, value)


class Records(Mapping[str, Record]):
    """`self.pvs`: the control PVs, then inputs and outputs, by name."""

    def __init__(self, owner: Common, names: tuple[str, ...]) -> None:
        self._records = {name: Record(owner, name) for name in names}

    def __getitem__(self, name: str) -> Record:
        return self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class Common:
    """Calls of iocmng that differ from ours; mixed in before our base class."""

    _control_pvs: ClassVar[tuple[str, ...]] = ()
    """Control PVs that the code may read and write by name."""
    _keywords: ClassVar[tuple[str, ...]] = (
        "name",
        "parameters",
        "pv_definitions",
        "prefix",
        "plugin_prefix",
        "plugin_spec",
    )
    """Keywords that the constructor is called with."""

    if TYPE_CHECKING:

        @property
        def _task(self) -> Binding: ...
        def set_message(self, message: str) -> None: ...

    def __init__(
        self,
        name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        pv_definitions: Mapping[str, Any] | None = None,
        beamline_config: Mapping[str, Any] | None = None,
        ophyd_devices: Mapping[str, Any] | None = None,
        prefix: str | None = None,
        plugin_prefix: str | None = None,
        device_resolver: Callable[[str], Any] | None = None,
        plugin_spec: PluginSpec | None = None,
    ) -> None:
        self.plugin_spec: PluginSpec = plugin_spec or self._spec()
        self.pv_definitions: dict[str, Any] = self.plugin_spec.pv_definitions
        self.plugin_prefix = self.plugin_spec.prefix or self._task.host.name.upper()
        self.beamline_config: dict[str, Any] = dict(beamline_config or {})
        self.ophyd_devices: dict[str, Any] = dict(ophyd_devices or {})
        self.task_lock = threading.Lock()
        names = (*self._control_pvs, *self.plugin_spec.inputs, *self.plugin_spec.outputs)
        self.pvs = Records(self, tuple(dict.fromkeys(names)))
        self._own: tuple[Any, dict[str, Any]] = (None, {})

    def _construction(self) -> dict[str, Any]:
        """What the constructor is called with, by keyword, as in iocmng."""
        pv_client.attach(self)
        spec = self._spec()
        return {
            "name": self._task.host.name,
            "parameters": dict(spec.parameters),
            "pv_definitions": spec.pv_definitions,
            "prefix": None,
            "plugin_prefix": spec.prefix,
            "plugin_spec": spec,
        }

    def _spec(self) -> PluginSpec:
        module = sys.modules[type(self).__module__]
        file = getattr(module, "__file__", None)
        return spec_of(self._task.plan, Path(file).parent if file else None)

    @property
    def pv_prefix(self) -> str:
        """Prefix of the PVs, without the colon at its end."""
        return self._task.host.prefix.removesuffix(":")

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the file, with those of the manifest over them; the plugin's to change."""
        given = self._task.host.parameters
        source, made = getattr(self, "_own", (None, {}))
        if source is not given:
            made = {**self._spec().parameters, **given}
            self._own = (given, made)
        return made

    @parameters.setter
    def parameters(self, value: Mapping[str, Any]) -> None:
        self._own = (self._task.host.parameters, dict(value))

    # PVs

    def get_pv(self, pv_name: str) -> Any:
        """Last value of a PV, its first value before; None of one that does not exist."""
        if pv_name in self._control_pvs:
            return self._control_value(pv_name)
        try:
            value = self._task.value(pv_name)
        except UnknownName:
            return None
        if value is None:
            spec = self.plugin_spec.inputs.get(pv_name) or self.plugin_spec.outputs.get(pv_name)
            value = spec.first if isinstance(spec, PvArgumentSpec) else None
        return value

    def set_pv(self, pv_name: str, value: Any) -> None:
        """Write an output or a set-point; one that does not exist, or that others drive, is
        left as it is, and that is said once.
        """
        if pv_name in self._control_pvs:
            self._set_control(pv_name, value)
            return
        try:
            self._task.write(pv_name, value)
        except (UnknownName, NotYours) as error:
            self.once(pv_name, f"set_pv does nothing: {error}")

    def set_output(self, pv_name: str, value: Any) -> None:
        """As `set_pv`."""
        self.set_pv(pv_name, value)

    def set_input(self, pv_name: str, value: Any) -> None:
        """As `set_pv`."""
        self.set_pv(pv_name, value)

    def get_output(self, pv_name: str) -> Any:
        """As `get_pv`."""
        return self.get_pv(pv_name)

    def get_input(self, pv_name: str) -> Any:
        """As `get_pv`."""
        return self.get_pv(pv_name)

    def _control_value(self, name: str) -> Any:
        return None

    def _set_control(self, name: str, value: Any) -> None:
        if name == "MESSAGE":
            self.set_message(str(value))
        else:
            self.once(name, f"set_pv does nothing: {name} is the runtime's")

    def once(self, key: str, text: str) -> None:
        """Say something in the log, the first time."""
        if (id(self), key) not in _said:
            _said.add((id(self), key))
            self._task.logger.warning("%s", text)

    def build_pvs(self) -> None:
        """Nothing: the PVs are there before the plugin is."""
