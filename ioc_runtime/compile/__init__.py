"""Checks a manifest and makes its plan. Pure: no network, no EPICS, no Kubernetes."""

from ioc_runtime.compile.manifest import (
    Checked,
    Compiled,
    check_text,
    compile_document,
    compile_text,
    config_hash,
)
from ioc_runtime.compile.overrides import parse_setting
from ioc_runtime.compile.proving import Failed, prove
from ioc_runtime.spec.problem import ManifestError, Problem

__all__ = [
    "Checked",
    "Compiled",
    "Failed",
    "ManifestError",
    "Problem",
    "check_text",
    "compile_document",
    "compile_text",
    "config_hash",
    "parse_setting",
    "prove",
]
