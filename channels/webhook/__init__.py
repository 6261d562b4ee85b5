"""Webhooks: other programs tell Stoa of something by a POST."""
