"""The serving process of an IocTask: engine, records, links and plugin, tied together."""
