"""Scenarios: text that says what happens, and the stage that plays it."""
