"""Prefixes of other IOCs' PVs, by the keys that links and plugins name them with."""

from __future__ import annotations

from collections.abc import Mapping

from ioc_runtime.compile.collector import Collector
from ioc_runtime.spec.task import Common


def compile_prefixes(spec: Common, collector: Collector) -> Mapping[str, str]:
    """The prefixes, checked: each is the start of a name, without a scheme."""
    for key, prefix in spec.prefixes.items():
        if "://" in prefix:
            expected = "the start of a name; the scheme goes before the key: ca://{" + key + "}X"
            collector.wrong(("spec", "prefixes", key), prefix, expected)
    return spec.prefixes
