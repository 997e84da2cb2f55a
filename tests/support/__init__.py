"""What tests share. Importable as `support` from every test (pytest's `pythonpath`)."""
