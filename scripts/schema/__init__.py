"""Makes docs/schema/: the JSON schemas of the manifests, from the models."""
