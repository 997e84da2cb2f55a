"""What a set-point takes."""

from __future__ import annotations

from typing import Any

from ioc_runtime.engine.inputs import is_number
from ioc_runtime.engine.values import BadValue, coerce
from ioc_runtime.plan import Input


def admit(plan: Input, value: Any) -> Any:
    """`value` as the set-point holds it: of its type, a number, within its drive range.

    :raises BadValue: when it does not fit
    """
    value = coerce(plan, value)
    if not is_number(value):
        raise BadValue("expected a number")
    drive = plan.drive
    if drive is None:
        return value
    if isinstance(value, list):
        return [type(item)(max(drive.low, min(drive.high, item))) for item in value]
    return type(value)(max(drive.low, min(drive.high, value)))
