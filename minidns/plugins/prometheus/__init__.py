"""*prometheus* - count queries and serve the numbers of all plugins."""

from minidns.plugins.prometheus.plugin import setup

__all__ = ["setup"]
