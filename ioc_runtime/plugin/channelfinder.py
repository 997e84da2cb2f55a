"""A ChannelFinder service, asked over HTTP: which PVs there are, and what they belong to.

Loaded when a plugin first asks for it; the standard library is all it needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from ioc_runtime.plugin.errors import BadValue, ReadFailed

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of an answer."""
MOST_CHANNELS: Final = 10_000

Channel = dict[str, Any]
"""`name`, `properties` (each with `name` and `value`) and `tags`, as the service has it."""


class ChannelFinder:
    """Reads from one service; it writes nothing. Each call waits up to `timeout` seconds."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        """`url` is the service's root, such as `http://cf:8080/ChannelFinder`.

        :raises BadValue: it is no such address.
        """
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise BadValue(f"channelfinder_url: expected http://HOST:PORT/PATH, got {url!r:.80}")
        if not 0 < timeout <= 600:
            raise BadValue(f"channelfinder_timeout: expected 0 to 600 s, got {timeout!r}")
        self.url, self.timeout = url.rstrip("/"), timeout

    def is_available(self) -> bool:
        """Whether anybody answers at the address."""
        try:
            with urlopen(self.url, timeout=self.timeout):
                return True
        except HTTPError:
            return True
        except (OSError, ValueError):
            return False

    def search(
        self,
        *,
        name: str | None = None,
        tag: str | None = None,
        size: int = MOST_CHANNELS,
        **properties: str | None,
    ) -> list[Channel]:
        """Channels by name, tag and properties (`devgroup`, `iocName`, ...).

        Each may have `*` and `?`. `size` is the most that are wanted.

        :raises ReadFailed: no answer, an error, or one that makes no sense.
        """
        query = {"~size": str(size), "~name": name, "~tag": tag, **properties}
        given = [(key, str(value)) for key, value in query.items() if value is not None]
        found = self._get(f"channels?{urlencode(given)}")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise ReadFailed(f"{self.url}: expected a list of channels, got {str(found)[:60]!r}")
        return found

    def get_channel(self, name: str) -> Channel:
        """One channel.

        :raises ReadFailed: it is not there, or there is no answer.
        """
        found = self._get(f"channels/{quote(name, safe='')}")
        if not isinstance(found, dict):
            raise ReadFailed(f"{self.url}: expected a channel, got {str(found)[:60]!r}")
        return found

    def discover_devices(self, **wanted: Any) -> list[dict[str, Any]]:
        """The devices that the channels of a search belong to; what `search` takes.

        Each has `name`, `prefix`, `devgroup`, `devtype`, `iocname`, `template`,
        `properties` and `pvs`.
        """
        return devices_of(self.search(**wanted))

    def _get(self, path: str) -> Any:
        url = f"{self.url}/resources/{path}"
        request = Request(url, headers={"Accept": "application/json"})
        try:
            with urlopen(request, timeout=self.timeout) as answer:
                data = answer.read(LARGEST + 1)
        except HTTPError as error:
            with error:
                raise ReadFailed(f"{url}: the server says {error.code} {error.reason}") from None
        except (OSError, ValueError) as error:
            why = error.reason if isinstance(error, URLError) else error
            raise ReadFailed(f"{url}: {why or type(error).__name__}") from None
        if len(data) > LARGEST:
            raise ReadFailed(f"{url}: expected at most {LARGEST} bytes; ask for less")
        try:
            return json.loads(data)
        except ValueError:
            raise ReadFailed(f"{url}: expected JSON, got {data[:60]!r}") from None


def properties_of(channel: Channel) -> dict[str, Any]:
    """Value of each property of a channel."""
    found = channel.get("properties") or ()
    return {one["name"]: one.get("value", "") for one in found if "name" in one}


def devices_of(channels: Iterable[Channel]) -> list[dict[str, Any]]:
    """Channels grouped by device: its property `device`, or the PV but its last part."""
    found: dict[str, dict[str, Any]] = {}
    for channel in channels:
        pv, properties = str(channel.get("name", "")), properties_of(channel)
        prefix = str(properties.get("device") or pv.rpartition(":")[0] or pv)
        device = found.setdefault(
            prefix,
            {
                "name": prefix.rpartition(":")[2],
                "prefix": prefix,
                "devgroup": properties.get("devgroup", ""),
                "devtype": properties.get("devtype", ""),
                "iocname": properties.get("iocName", ""),
                "template": properties.get("template", ""),
                "properties": properties,
                "pvs": [],
            },
        )
        device["pvs"].append(pv)
    return list(found.values())
