"""The terminal, and standard input and output."""
