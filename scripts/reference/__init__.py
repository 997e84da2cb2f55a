"""Writes docs/reference.md from the code: `python -m scripts.reference` (`make reference`)."""
