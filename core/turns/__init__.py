"""Turns: steps, context, capabilities, sessions, compaction, lanes and the governor."""
