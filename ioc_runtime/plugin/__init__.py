"""Plugins: their public API, the loader, and the thread that runs them.

`api` is what a plugin's author sees (through `ioc_runtime`), `host` is what the
task offers a plugin, `loader` turns a plan's plugin into a class, `runner` is the
thread that calls it.
"""
