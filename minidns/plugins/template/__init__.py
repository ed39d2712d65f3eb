"""*template* - answer with records that are written as templates."""

from minidns.plugins.template.plugin import PLUGIN as PLUGIN
from minidns.plugins.template.plugin import setup as setup
