"""Fetches what a plugin is made of, before the process that serves it starts.

`python -m ioc_runtime.fetch PLAN --into DIR` runs in an init container, and `iocctl run`
starts it on a laptop. The serving process finds the outcome in DIR/plugin.json; it never
sees the credentials.
"""
