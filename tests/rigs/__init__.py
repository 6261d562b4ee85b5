"""Stand-ins for platforms that are programs of their own, which tests and people can run."""
