"""Name servers: where the PVs of links are, when nothing is broadcast."""
