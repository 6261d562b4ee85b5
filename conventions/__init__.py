"""Conventions: Markdown that teaches agents how to use a space."""
