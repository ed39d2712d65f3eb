"""Stub resolvers as step machines: what a C library or tool sends, and when."""
