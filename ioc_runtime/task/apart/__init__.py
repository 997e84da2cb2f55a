"""A plugin in a process of its own (`plugin.isolation: process`).

The child runs the same loader, binding and runner as the serving process would; only the
task is far: `host` asks for it over a socket, and `runner` answers in the serving process.
So a plugin that crashes, exits or holds the interpreter's lock stops neither rules nor
records: its process is started anew, and what it owns is INVALID meanwhile.
"""
