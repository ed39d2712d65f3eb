"""Explores random clusters, faults and orders of events for broken invariants."""
