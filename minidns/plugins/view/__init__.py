"""*view* - let a server block answer only the queries that its expressions choose."""

from minidns.plugins.view.plugin import setup

__all__ = ["setup"]
