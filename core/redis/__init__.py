"""The embedded Redis server, and the connection to any Redis: one server, a cluster or Sentinel."""
