"""Platforms, and the bridge that joins them to chat spaces."""
