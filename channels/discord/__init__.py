"""Discord: one bot of your own, in direct messages, servers' channels, threads and forum posts."""
