"""Devices by a factory, and ChannelFinder from a real HTTP server on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ioc_runtime import BadValue, NotAvailable, ReadFailed, TaskBase, UnknownName
from ioc_runtime.plugin.binding import Binding
from ioc_runtime.plugin.device_index import index

from .conftest import PLAN, FakeHost

BEAMLINE = """
iocDefaults:
  motors: {devgroup: mot, devtype: asyn, iocprefix: BL, more: {a: 1, b: 2}}
epicsConfiguration:
  iocs:
    - {name: m1, template: motors, iocroot: M1, more: {b: 3}, devices: [{name: X}, {name: Y, k: 7}]}
    - {name: m2, template: motors, devices: [{name: X, devtype: tml}]}
    - {name: vac, devgroup: vac, devtype: ipc, iocprefix: "BL:VAC"}
    - {name: off, template: motors, disable: true}
    - {name: none, iocprefix: "BL:N"}
    - {template: motors}
"""


def bound(**parameters: object) -> TaskBase:
    host = FakeHost()
    host.parameters = parameters
    task = TaskBase()
    task._binding = Binding(PLAN, host)
    return task


# devices


def test_the_index_follows_templates_and_names_what_comes_twice() -> None:
    import yaml

    found = index(yaml.safe_load(BEAMLINE))
    assert {key: (one.prefix, one.devgroup, one.devtype) for key, one in found.items()} == {
        "X": ("BL:M1:X", "mot", "asyn"),
        "Y": ("BL:M1:Y", "mot", "asyn"),
        "m2_X": ("BL:X", "mot", "asyn"),
        "vac": ("BL:VAC", "vac", "ipc"),
    }
    assert found["Y"].config["more"] == {"a": 1, "b": 3}
    assert (found["Y"].config["k"], found["Y"].config["iocname"]) == (7, "m1")


@pytest.mark.parametrize("data", [None, [], "x", {"epicsConfiguration": {"iocs": 5}}])
def test_a_file_that_describes_nothing_has_no_devices(data: object) -> None:
    assert index(data) == {}


FACTORY = """
made = []
def make(*, devgroup, devtype, prefix, name, config):
    if devgroup == "mag":
        return None
    made.append(name)
    return (devgroup, devtype, prefix, name, sorted(config)[:1])
"""


def test_a_factory_of_the_plugins_own_makes_devices_once(run, host: FakeHost, told) -> None:
    host.parameters = {"device_factory": "motors:make", "beamline_config": "values.yaml"}
    run(
        """
        class Guard(TaskBase):
            def initialize(self):
                assert self.list_devices() == ["X", "Y", "m2_X", "vac"]
                x = self.get_device("X")
                assert x == ("mot", "asyn", "BL:M1:X", "X", ["devgroup"]), x
                assert self.get_device("X") is x
                one = self.create_device("SR:MOT:M7", "mot", "tml")
                assert one == ("mot", "tml", "SR:MOT:M7", "M7", [])
                assert self.create_device("SR:MOT:M7", "mot", "tml") is one
                self.create_device("SR:MOT:M7", "mot", "tml", cache=False)
                found = {"name": "A", "prefix": "P:A", "devgroup": "io", "devtype": "di"}
                assert self.cf_create_device(found)[2] == "P:A"
                import motors
                self.set_output("label", " ".join(motors.made))
        """,
        files={"motors.py": FACTORY, "values.yaml": BEAMLINE},
    )
    host.wait_for(bool)
    assert (told.failures, host.writes) == ([], [("label", "X M7 M7 A")])


def test_without_the_package_a_sentence_says_what_to_install() -> None:
    with pytest.raises(NotAvailable, match=r"infn_ophyd_hal.*install ioc-operator\[devices\]"):
        bound().create_device("A:B", "mot", "tml")


@pytest.mark.parametrize("named", ["json", "no_such_module:make", "json:nothing", "json:decoder"])
def test_a_factory_that_cannot_be_had_is_named(named: str) -> None:
    with pytest.raises(NotAvailable, match=f"device_factory.*{named}"):
        bound(device_factory=named).create_device("A:B", "mot", "tml")


def test_a_device_that_nothing_makes_or_knows_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(BEAMLINE)
    task = bound(beamline_config=str(file), device_factory="builtins:dict")
    assert task.get_device("vac")["prefix"] == "BL:VAC"
    with pytest.raises(UnknownName, match="no device 'vacc'; nearest: 'vac'"):
        task.get_device("vacc")
    with pytest.raises(BadValue, match="'B' has no prefix, devtype"):
        task.cf_create_device({"name": "B", "devgroup": "mot"})
    with pytest.raises(NotAvailable, match="parameter beamline_config"):
        bound().list_devices()
    with pytest.raises(BadValue, match="cannot be read: No such file"):
        bound(beamline_config="/no/where.yaml").list_devices()
    file.write_text("a: [")
    with pytest.raises(BadValue, match="is not YAML"):
        bound(beamline_config=str(file)).list_devices()


def test_a_plugin_that_uses_none_of_it_loads_none_of_it() -> None:
    code = (
        "import sys, ioc_runtime; ioc_runtime.TaskBase; ioc_runtime.every; print(sorted("
        "{'yaml', 'urllib.request', 'http.client', 'ophyd', 'numpy', 'asyncio', 'ioc_runtime"
        ".plugin.channelfinder', 'ioc_runtime.plugin.device_index'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ChannelFinder


def channel(name: str, **properties: str) -> dict[str, object]:
    listed = [{"name": key, "value": value} for key, value in properties.items()]
    return {"name": name, "properties": listed, "tags": []}


CHANNELS = [
    channel("BL:M1:X:RBV", devgroup="mot", devtype="tml", iocName="m1"),
    channel("BL:M1:X:VAL", devgroup="mot", devtype="tml", iocName="m1"),
    channel("BL:M2:X:RBV", devgroup="mot", devtype="asyn", iocName="m2"),
    channel("BL:IO:D:1:A", devgroup="io", devtype="di", device="BL:IO:D"),
]


class Service(BaseHTTPRequestHandler):
    asked: list[str] = []
    over = threading.Event()

    def do_GET(self) -> None:  # noqa: N802
        type(self).asked.append(self.path)
        parts = urlsplit(self.path)
        if "slow" in parts.path:
            self.over.wait(20)
        if "garbage" in parts.path:
            self.answer(200, b"<html>")
        elif parts.path.startswith("/cf/resources/channels/"):
            name = unquote(parts.path.rpartition("/")[2])
            found = [one for one in CHANNELS if one["name"] == name]
            self.answer(200 if found else 404, json.dumps(found[:1] and found[0]).encode())
        elif parts.path == "/cf/resources/channels":
            query = {key: value[0] for key, value in parse_qs(parts.query).items()}
            self.answer(200, json.dumps([c for c in CHANNELS if matches(c, query)]).encode())
        else:
            self.answer(404, b"")

    def answer(self, code: int, data: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def matches(one: dict, query: dict[str, str]) -> bool:
    has = {each["name"]: each["value"] for each in one["properties"]} | {"~name": one["name"]}
    wanted = {key: value for key, value in query.items() if key != "~size"}
    return all(fnmatchcase(has.get(key, ""), value) for key, value in wanted.items())


@pytest.fixture
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Service.asked, Service.over = [], threading.Event()
    yield f"http://127.0.0.1:{server.server_port}"
    Service.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_channels_are_found_by_name_and_property(service: str) -> None:
    task = bound(channelfinder_url=f"{service}/cf/")
    assert task.channelfinder is not None and task.channelfinder.is_available()
    found = task.cf_search(devgroup="mot", name="BL:M1:*")
    assert [one["name"] for one in found] == ["BL:M1:X:RBV", "BL:M1:X:VAL"]
    assert "~size=10000" in Service.asked[-1] and "devgroup=mot" in Service.asked[-1]
    assert task.channelfinder.get_channel("BL:M2:X:RBV")["name"] == "BL:M2:X:RBV"
    assert task.cf_search(devgroup="nothing") == []


def test_channels_are_grouped_by_device_and_devices_made_of_them(service: str) -> None:
    task = bound(channelfinder_url=f"{service}/cf", device_factory="builtins:dict")
    found = task.cf_discover_devices()
    assert [(one["name"], one["prefix"], len(one["pvs"])) for one in found] == [
        ("X", "BL:M1:X", 2),
        ("X", "BL:M2:X", 1),
        ("D", "BL:IO:D", 1),
    ]
    assert task.cf_create_device(found[2])["devtype"] == "di"
    (one,) = task.cf_search(name="BL:M2:*")
    assert task.cf_create_device(one)["prefix"] == "BL:M2:X"


def test_what_goes_wrong_is_a_sentence_with_the_address(service: str) -> None:
    with pytest.raises(NotAvailable, match="parameter channelfinder_url"):
        bound().cf_search()
    assert bound().channelfinder is None
    with pytest.raises(BadValue, match="expected http://HOST:PORT/PATH, got 'cf:8080'"):
        bound(channelfinder_url="cf:8080").cf_search()
    with pytest.raises(ReadFailed, match="says 404 Not Found"):
        bound(channelfinder_url=f"{service}/wrong").cf_search()
    with pytest.raises(ReadFailed, match="expected JSON, got b'<html>'"):
        bound(channelfinder_url=f"{service}/garbage").cf_search()
    slow = bound(channelfinder_url=f"{service}/slow", channelfinder_timeout=0.05)
    with pytest.raises(ReadFailed, match="timed out"):
        slow.cf_search()
    nobody = bound(channelfinder_url="http://127.0.0.1:1/cf")
    with pytest.raises(ReadFailed, match="Connection refused"):
        nobody.cf_search()
    assert nobody.channelfinder is not None and not nobody.channelfinder.is_available()
