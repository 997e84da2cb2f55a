"""The children of one run of an IocJob."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ioc_operator.children.config import config_map
from ioc_operator.children.pod import pod_template
from ioc_operator.children.stamp import metadata, stamp
from ioc_operator.desired import Judged, Wanted
from ioc_operator.names import CLAIM, CONTAINER, IMAGE, SHAPE, run_name
from ioc_operator.settings import Settings
from ioc_runtime.plan import Plan, to_json

Object = dict[str, Any]

FINAL_CODES: Final = [10, 11, 12, 13, 14, 15, 16]
"""Exit codes that say how a run ended: another attempt would not be the same run."""


def job_children(
    wanted: Wanted,
    judged: Judged,
    settings: Settings,
    default: str,
    number: int,
    *,
    suspended: bool,
) -> list[Object]:
    """ConfigMap and Job of the run with this number, in this order.

    The Job is made suspended and released once its uid stands in the status: a run that
    was seen to exist is never made a second time, whoever deletes its Job.
    """
    if judged.compiled is None:
        raise ValueError(f"{wanted.key} is not valid: nothing can be built from it")
    name = run_name(wanted.key.name, number)
    plan = judged.compiled.plan
    annotations = {CLAIM: plan.prefix, SHAPE: judged.shape}
    template = pod_template(
        wanted, settings, wanted.image(default), name, annotations, restartPolicy="Never"
    )
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(wanted, name, {CLAIM: plan.prefix, IMAGE: default}),
        "spec": {
            "backoffLimit": wanted.spec.get("retries", 0),
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": CONTAINER,
                            "operator": "In",
                            "values": FINAL_CODES,
                        },
                    }
                ]
            },
            "suspend": suspended,
            "template": template,
        },
    }
    hashed = wanted.input_hash(settings, default)
    config = config_map(wanted, to_json(numbered(plan, number)), name, hashed, immutable=True)
    return [config, stamp(job)]


def numbered(plan: Plan, number: int) -> Plan:
    """The plan of the run with this number: the runtime shows it as RUN:ID and reports it."""
    return replace(plan, job=replace(plan.job, run=number)) if plan.job is not None else plan
