"""Advisories that do not concern us, each with the reason and until when somebody looks again."""

from __future__ import annotations

from typing import Final

ACCEPTED: Final[dict[str, str]] = {}
"""Identifier (`PYSEC-…`, `GHSA-…` or `CVE-…`) -> why, and until when."""
