"""*cache* - keep answers for a while."""

from minidns.plugins.cache.plugin import PLUGIN as PLUGIN
from minidns.plugins.cache.plugin import setup as setup
