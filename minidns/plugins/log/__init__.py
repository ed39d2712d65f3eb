"""*log* - write a line for each query."""

from minidns.plugins.log.plugin import PLUGIN as PLUGIN
from minidns.plugins.log.plugin import setup as setup
