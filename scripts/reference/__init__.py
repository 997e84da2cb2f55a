"""Writes docs/reference.md and docs/reference/ from the code: `python -m scripts.reference`
(`make reference`).
"""
