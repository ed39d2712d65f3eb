"""*template* - answer with records that are written as templates."""

from minidns.plugins.template.plugin import setup

__all__ = ["setup"]
