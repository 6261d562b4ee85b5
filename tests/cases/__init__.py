"""Faults that people met, by kind, each with the right value: `make cases`."""
