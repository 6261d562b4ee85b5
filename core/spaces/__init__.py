"""Spaces: reading, changing, sharing, references, notifications and attachments."""
