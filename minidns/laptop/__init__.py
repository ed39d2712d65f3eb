"""A cluster's names on a laptop."""

LISTEN = "127.0.0.1:5354"
"""The address that minidns listens at on a laptop; mDNS has port 5353 on desktops."""
OFFERED_ALIAS = "k8s.internal"
"""An alias zone: .internal is for private use, and no mDNS (ICANN 2024)."""
