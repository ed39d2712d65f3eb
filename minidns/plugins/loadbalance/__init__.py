"""*loadbalance* - change the order of the addresses in an answer."""

from minidns.plugins.loadbalance.plugin import PLUGIN as PLUGIN
from minidns.plugins.loadbalance.plugin import setup as setup
