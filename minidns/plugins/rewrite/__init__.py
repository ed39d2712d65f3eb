"""*rewrite* - change queries, and change their answers back."""

from minidns.plugins.rewrite.plugin import PLUGIN as PLUGIN
from minidns.plugins.rewrite.plugin import setup as setup
