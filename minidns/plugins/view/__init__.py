"""*view* - let a server block answer only the queries that its expressions choose."""

from minidns.plugins.view.plugin import PLUGIN as PLUGIN
from minidns.plugins.view.plugin import setup as setup
