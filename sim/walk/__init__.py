"""Walks of lookups in the simulated cluster, recorded from its packets and objects."""
