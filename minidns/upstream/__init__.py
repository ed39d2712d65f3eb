"""Exchanges with upstream resolvers over UDP, TCP and TLS."""
