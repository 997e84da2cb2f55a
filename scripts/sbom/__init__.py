"""What a file of a release consists of, as CycloneDX JSON (a software bill of materials)."""
