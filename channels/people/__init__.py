"""People, their accounts, groups and rooms, and strangers who write."""
