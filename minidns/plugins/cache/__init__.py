"""*cache* - cache answers."""

from minidns.plugins.cache.plugin import PLUGIN as PLUGIN
from minidns.plugins.cache.plugin import setup as setup
