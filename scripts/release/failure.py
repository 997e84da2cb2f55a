"""What keeps a release from being built."""

from __future__ import annotations


class ReleaseError(Exception):
    """No release can be made; the text is one sentence for a person."""
