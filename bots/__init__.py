"""The agents Stoa starts with, and the command line."""
