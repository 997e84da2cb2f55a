"""Speed and memory, as ratios against named peers in the same run.

``python -m benchmarks`` prints one table. Each chapter is a module of its own and
says in its docstring what it measures and how; docs/performance.md holds the
figures of one run and the machine.
"""
