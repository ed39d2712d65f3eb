"""Kubernetes objects, the watches that follow them, and the answers they give."""
