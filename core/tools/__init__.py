"""Tools: the registry, waits and timers."""
