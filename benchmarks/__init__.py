"""Measurements against bare commands and set goals; `make bench` takes them all."""
