"""Watches of Kubernetes objects, and the DNS answers that follow from them."""
