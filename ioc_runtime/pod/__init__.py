"""What a task does only where it runs in a pod: answer probes, report, leave last words.

None of it matters to the task: a probe that hangs, an API server that is gone or refuses
change nothing about what is evaluated and served.
"""
