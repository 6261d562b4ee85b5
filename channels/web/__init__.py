"""The web page: the chat, and everything in the house, for the owner's browser."""
