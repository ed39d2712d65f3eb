"""Stub resolvers as state machines without I/O."""
