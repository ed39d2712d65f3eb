"""*log* - write a line for each query."""

from minidns.plugins.log.plugin import setup

__all__ = ["setup"]
