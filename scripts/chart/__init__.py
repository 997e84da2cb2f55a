"""Made of the chart: values.schema.json, the table in its README, its dashboard."""
