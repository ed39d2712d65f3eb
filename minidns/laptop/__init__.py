"""A cluster's names on a laptop."""
