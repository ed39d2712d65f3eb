"""*hosts* - answer from a hosts file and from lines in the Corefile."""

from minidns.plugins.hosts.plugin import setup

__all__ = ["setup"]
