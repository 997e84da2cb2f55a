"""A try of a plugin that is to replace one that runs: fetched, installed and imported.

A Job of one pod does what the task's own pod would do before it serves. Only when it has
succeeded is the task's pod replaced: a wrong ref, a server that is gone or a module that
cannot be imported leaves the running one alone.
"""

from __future__ import annotations

from typing import Any, Final

from ioc_operator.children.config import config_map
from ioc_operator.children.pod import CONFIG_DIRECTORY, pod_template
from ioc_operator.children.stamp import metadata, stamp
from ioc_operator.desired import Judged, Wanted
from ioc_operator.names import CHECK, FETCHED, LABEL_NAME, check_name
from ioc_operator.settings import Settings
from ioc_operator.source import made_of

Object = dict[str, Any]

ATTEMPTS: Final = 1000
"""Of the kubelet, with its pauses of up to five minutes: for days, or until an edit."""


def check_children(
    wanted: Wanted, judged: Judged, settings: Settings, default: str
) -> list[Object]:
    """ConfigMap and Job of the try, in this order; named after what is tried.

    :param default: see `Wanted.default_image`
    """
    name = check_name(wanted.key.name, made_of(wanted))
    hashed = wanted.input_hash(settings, default)
    config = config_map(wanted, judged.plan_json, name, hashed)
    template = pod_template(
        wanted, settings, wanted.image(default), name, {}, restartPolicy="OnFailure"
    )
    # Not the name of those that serve: neither Service nor StatefulSet may take it for theirs.
    template["metadata"]["labels"] |= {LABEL_NAME: CHECK}
    pod = template["spec"]
    serving = pod["containers"][0]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe", "ports"):
        serving.pop(probe, None)
    serving["args"] = [
        *("python", "-m", "ioc_runtime", f"{CONFIG_DIRECTORY}/plan.json"),
        *("--plugin", "/var/lib/ioc-plugin/plugin.json", "--check"),
    ]
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "token"]
    if not any(volume["name"] == "state" for volume in pod["volumes"]):
        pod["volumes"].append({"name": "state", "emptyDir": {}})
    serving["volumeMounts"] = [m for m in serving["volumeMounts"] if m["name"] != "token"]
    pod.pop("hostNetwork", None)
    pod.pop("dnsPolicy", None)
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(wanted, name, {FETCHED: made_of(wanted)}),
        "spec": {"backoffLimit": ATTEMPTS, "template": template},
    }
    return [config, stamp(job)]
