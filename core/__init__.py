"""Spaces, trust and turns: what Stoa is, without any platform and any convention."""

__version__ = "0.1.0"
