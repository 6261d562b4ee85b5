"""The clock, and English times: their grammar and how they are parsed."""
