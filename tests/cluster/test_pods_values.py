"""`iocctl status` and `iocctl logs` of a pod that serves."""

from __future__ import annotations

import json
import re
import signal

from cluster.iocctl import PREFIX, Iocctl, putter
from cluster.rig import Rig
from cluster.serving import task as served_task
from ioc_runtime.plan import Input, Output, Plan
from support.spawn import Spawn
from unit.operator.views import pod, view


def test_values_and_logs_come_from_the_pod(spawn: Spawn, rig: Rig, namespace: str):
    alarm = Output("alarm", "bool", states=("OK", "HIGH"))
    set_point = Input("p", "float", unit="mbar", value=1.5)
    made = json.loads(
        served_task("guard", Plan("guard", "", PREFIX, inputs=(set_point,), outputs=(alarm,)))
    )
    serving = made["items"][2]
    serving["metadata"]["labels"] |= {
        "app.kubernetes.io/instance": "guard",
        "app.kubernetes.io/managed-by": "ioc-operator",
        "ioc-operator.dev/kind": "IocTask",
    }
    # An operator that has ended leaves its Lease, and a status would not be believed.
    rig.kubectl("delete", "lease", "-A", "-l", "app.kubernetes.io/managed-by=ioc-operator")
    rig.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(made))
    putter(rig.kubectl, namespace)("guard", view(generation=1, pod=pod(name="guard")))
    rig.kubectl("wait", "--for=condition=Ready", "pod/guard", "-n", namespace, "--timeout=40s")
    iocctl = Iocctl(spawn, rig.kubeconfig, namespace)
    for protocol in ("ca", "pva"):
        code, out, err = iocctl("status", "guard", "--protocol", protocol)
        assert (code, err) == (0, "")
        assert f"values, over {protocol.upper()} from " in out
        assert re.search(rf"^{PREFIX}STATUS +RUN \(1\)", out, re.MULTILINE)
        assert re.search(rf"^{PREFIX}p +1.5 mbar", out, re.MULTILINE)
    code, out, err = iocctl("status", "guard", "--address", "127.0.0.1:9")
    assert (code, out.count(f"{PREFIX}p ")) == (0, 0)
    assert "no values: 127.0.0.1 port 9 is not reached from here (Connection refused)" in err
    code, out, _ = iocctl("logs", "guard")
    assert code == 0
    assert f"guard starts: prefix {PREFIX}" in out
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  RUN", out, re.MULTILINE)
    code, out, _ = iocctl("logs", "guard", "--tail", "3", "-o", "json")
    assert [bool(json.loads(line)["say"]) for line in out.splitlines()] == [True] * 3
    follow = iocctl.start("logs", "guard", "-f", "-n", namespace)
    follow.wait_for("guard starts")
    rig.kubectl("delete", "pod", "guard", "-n", namespace, "--wait=false")
    follow.wait_for("stopped")
    follow.popen.send_signal(signal.SIGINT)
    assert follow.wait(10) == 0
