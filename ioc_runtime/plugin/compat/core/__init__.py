"""`iocmng.core`."""
