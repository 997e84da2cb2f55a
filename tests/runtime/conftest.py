"""Fixtures of tests that serve a plan and look at it over both protocols."""

from __future__ import annotations

from runtime.field import field
from support.serving import ca, pva, serve

__all__ = ["ca", "field", "pva", "serve"]
