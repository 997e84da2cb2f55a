"""Plugins written for iocmng, run by iocmng and by this runtime with the same inputs.

``python -m benchmarks.iocmng_plugins`` plays the scripts of `scripts` with the plugins of
tests/data/iocmng/ on both systems, over CA and PVA, says where the answers differ and whether
that is a difference that docs/migration.md lists, and measures both.
"""
