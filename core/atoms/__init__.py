"""Values: atoms, permissions, validation, versions, claims and labels. Nothing here talks to Redis."""
