"""*loadbalance* - turn the addresses of an answer."""

from minidns.plugins.loadbalance.plugin import setup

__all__ = ["setup"]
