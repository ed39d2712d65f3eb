"""*cache* - keep answers for a while."""

from minidns.plugins.cache.plugin import setup

__all__ = ["setup"]
