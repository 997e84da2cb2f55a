"""What is bounded beyond single fields."""

from __future__ import annotations

from ioc_runtime.compile import logic, manifest, names, signals
from ioc_runtime.engine.values import ELEMENT_MAX, STRING_MAX
from ioc_runtime.spec.document import LARGEST_FILE
from ioc_runtime.spec.plugin import INLINE_BYTES
from ioc_runtime.standard import NAME_MAX
from scripts.reference import expressions
from scripts.reference.markdown import table


def limits() -> str:
    """Limits of a manifest as a whole."""
    rows = [
        ("a PV name, prefix and suffix included", f"{NAME_MAX} characters"),
        *(
            (f"`metadata.name` of an {kind}", f"{longest} characters")
            for kind, longest in names.LONGEST_OBJECT.items()
        ),
        ("`unit`, `description`, a state", _bytes()),
        ("a text; an element of an array of texts", f"{STRING_MAX}; {ELEMENT_MAX} bytes of UTF-8"),
        ("elements of all arrays", str(signals.MOST_ELEMENTS)),
        ("samples of all buffers", str(signals.MOST_BUFFERED)),
        ("characters of all expressions and messages", str(logic.MOST_SOURCE)),
        ("entries of a parameter that is a list", str(manifest.MOST_PARAMETER_ITEMS)),
        ("inline files of a plugin", f"{INLINE_BYTES} bytes"),
        ("the file", f"{LARGEST_FILE} characters"),
        ("the plan that is made from it", f"{manifest.LARGEST_PLAN} bytes"),
        *expressions.bounds(),
    ]
    return table(("What", "At most"), rows)


def _bytes() -> str:
    limits = (signals.UNIT_BYTES, signals.DESCRIPTION_BYTES, signals.STATE_BYTES)
    return ", ".join(map(str, limits)) + " bytes of UTF-8"
