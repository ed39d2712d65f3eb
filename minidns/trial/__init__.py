"""Trials: whether CoreDNS is to blame for failed lookups, and how sure that is."""
