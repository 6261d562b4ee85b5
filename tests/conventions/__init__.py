"""Tests of the conventions and of the recipes in them."""
