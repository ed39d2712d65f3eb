"""Scenarios: texts with commands and their expected output, and the stage for them."""
