"""Where agents' code runs: worker processes with no secret and no connection."""
