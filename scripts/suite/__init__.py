"""Run the whole test suite, in parts at the same time.

The tests mostly wait: for pods, for IOC processes. One part after the other takes the sum of
their times, side by side little more than the longest. This is convenience only: plain
`pytest` runs the same tests, one after the other.
"""
