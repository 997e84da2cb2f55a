"""The chart's values.schema.json, the table in its README and its dashboard, from one source each."""
