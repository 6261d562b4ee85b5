"""Secrets by name, and the vault that encrypts them."""
