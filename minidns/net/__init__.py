"""Edges: sockets and HTTP."""
