"""Kubernetes: objects, the store that keeps them, the watches that feed it."""
