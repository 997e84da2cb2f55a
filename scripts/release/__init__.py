"""Build everything that a release consists of, on this machine; nothing is published."""
