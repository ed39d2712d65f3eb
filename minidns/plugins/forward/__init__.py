"""*forward* - ask other resolvers."""

from minidns.plugins.forward.plugin import setup

__all__ = ["setup"]
