"""Stub resolvers of C libraries as step machines without I/O or clock."""
