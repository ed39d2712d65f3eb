"""Stub resolvers beside the C libraries, as step machines, and the list of them all."""
