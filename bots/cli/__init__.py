"""The command line: `main.py` names every command, one module per group does the work."""
