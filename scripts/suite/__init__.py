"""Run the whole test suite, its two halves at the same time.

Both halves mostly wait: one for pods, one for IOC processes. One after the other they take
the sum of their times, side by side little more than the longer one. This is convenience
only: plain `pytest` runs the same tests, one after the other.
"""
