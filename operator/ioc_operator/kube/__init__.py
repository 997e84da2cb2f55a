"""The way to the API server: one client, its credentials, its list-watches."""

from __future__ import annotations
