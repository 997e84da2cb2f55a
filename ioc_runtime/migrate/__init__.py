"""From iocmng to manifests: its configs, its plugins' directories, its lists of plugins.

Plain data in, plain data and notes out; files are read, nothing is run and nothing is
asked of a network. What cannot be converted is a `ManifestError`, whatever changes its
meaning a `Note`. A serving process never loads this.
"""

from ioc_runtime.migrate.config import Converted, Wanted, convert
from ioc_runtime.migrate.directory import complete_plan, config_of, convert_directory
from ioc_runtime.migrate.notes import Findings, Note
from ioc_runtime.migrate.startup import convert_startup, is_startup
from ioc_runtime.migrate.writing import write_manifest

__all__ = [
    "Converted",
    "Findings",
    "Note",
    "Wanted",
    "complete_plan",
    "config_of",
    "convert",
    "convert_directory",
    "convert_startup",
    "is_startup",
    "write_manifest",
]
