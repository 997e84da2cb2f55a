"""Evaluation: samples, commands and time in, effects out.

Pure: no EPICS, no Kubernetes, no threads, no clock of its own. The same recorded
inputs give the same effects, bit for bit.
"""
