"""What you run: the coordinators and the command line."""
