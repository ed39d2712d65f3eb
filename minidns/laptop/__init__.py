"""A cluster's names on a laptop."""

LISTEN = "127.0.0.1:5353"
"""The address that the serving command listens at by default."""
UP_LISTEN = "127.0.0.1:5354"
"""The address of ``minidns up``, which split-dns expects: mDNS has 5353 on desktops."""
