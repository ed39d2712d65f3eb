"""*template* - answer with records rendered from templates."""

from minidns.plugins.template.plugin import PLUGIN as PLUGIN
from minidns.plugins.template.plugin import setup as setup
