"""The command line: `main.py` lists every command; one module per group does the work."""
