"""*prometheus* - count queries and serve the metrics of all plugins."""

from minidns.plugins.prometheus.plugin import PLUGIN as PLUGIN
from minidns.plugins.prometheus.plugin import setup as setup
