"""Which devices a beamline has, from the file that describes its IOCs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ioc_runtime.plugin.errors import BadValue

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a file."""


@dataclass(frozen=True)
class Device:
    """What a factory needs to make a device."""

    name: str
    prefix: str
    devgroup: str
    devtype: str
    config: Mapping[str, Any]


def read_index(path: Path) -> dict[str, Device]:
    """The devices of a file, by name.

    :raises BadValue: it cannot be read, or describes nothing.
    """
    import yaml  # a plugin without devices does not pay for it

    try:
        if path.stat().st_size > LARGEST:
            raise BadValue(f"beamline_config: expected at most {LARGEST} bytes in {path}")
        data = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise BadValue(f"beamline_config: {path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise BadValue(f"beamline_config: {path} is not YAML: {reason:.200}") from None
    return index(data)


def index(data: Any) -> dict[str, Device]:
    """The devices of `epicsConfiguration.iocs`, each with its template's defaults.

    A device is known by its name; a second one of that name by `IOC_NAME`. An IOC that
    lists none is a device itself; one that is disabled, or of no devgroup, has none.
    """
    iocs = _part(_part(data, "epicsConfiguration", dict), "iocs", list)
    defaults = _part(data, "iocDefaults", dict)
    found: dict[str, Device] = {}
    for one in iocs:
        if not isinstance(one, dict) or not one.get("name"):
            continue
        base = defaults.get(one.get("template") or "")
        ioc = _merged(base, one) if isinstance(base, dict) else one
        if ioc.get("disable") or not ioc.get("devgroup"):
            continue
        for key, device in _of_ioc(ioc):
            found[f"{ioc['name']}_{key}" if key in found else key] = device
    return found


def _of_ioc(ioc: Mapping[str, Any]) -> list[tuple[str, Device]]:
    prefix, name = str(ioc.get("iocprefix") or ""), str(ioc["name"])
    group, kind = str(ioc["devgroup"]), str(ioc.get("devtype") or "")
    devices = [one for one in ioc.get("devices") or () if isinstance(one, dict) and one.get("name")]
    if not ioc.get("devices"):
        return [(name, Device(name, prefix, group, kind, ioc))]
    start = f"{prefix}:{ioc['iocroot']}" if "iocroot" in ioc else prefix
    return [
        (
            str(one["name"]),
            Device(
                str(one["name"]),
                f"{start}:{one['name']}",
                group,
                kind,
                {**ioc, "iocname": name, **one},
            ),
        )
        for one in devices
    ]


def _part(data: Any, key: str, kind: type) -> Any:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, kind) else kind()


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, maps inside each other as well."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return merged
