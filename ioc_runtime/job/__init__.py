"""The run of an IocJob inside its serving process: its code, its life, its outcome.

The process is a task's (`ioc_runtime.task`): records, links, loop and logs are the same.
`Job` is the part of it that runs the plugin once and ends the process with what came of
it.
"""
