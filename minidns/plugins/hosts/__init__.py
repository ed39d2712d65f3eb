"""*hosts* - answer from a hosts file and from lines in the Corefile."""

from minidns.plugins.hosts.plugin import PLUGIN as PLUGIN
from minidns.plugins.hosts.plugin import setup as setup
