"""Export and import of spaces and of everything."""
