"""Trials in a real cluster: the objects they need, and lookups from their pods."""
