"""*forward* - forward queries to upstreams."""

from minidns.plugins.forward.plugin import PLUGIN as PLUGIN
from minidns.plugins.forward.plugin import setup as setup
