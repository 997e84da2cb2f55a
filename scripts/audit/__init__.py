"""Ask a public service whether advisories are known for the packages we pin."""
