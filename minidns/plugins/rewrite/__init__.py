"""*rewrite* - change a query on its way down, and its answer on the way up."""

from minidns.plugins.rewrite.plugin import PLUGIN as PLUGIN
from minidns.plugins.rewrite.plugin import setup as setup
