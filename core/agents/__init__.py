"""Agents: records, rights, budgets, spawning, lifecycle, and what each has not read yet."""
