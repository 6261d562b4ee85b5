"""A stand-in for Slack: its Web API, Socket Mode, signed HTTP, and what people do there, over real sockets."""
