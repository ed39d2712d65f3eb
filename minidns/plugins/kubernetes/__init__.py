"""*kubernetes* - answer for a cluster's Services and Pods, from its API server."""

from minidns.plugins.kubernetes.plugin import PLUGIN as PLUGIN
from minidns.plugins.kubernetes.plugin import Kubernetes as Kubernetes
from minidns.plugins.kubernetes.plugin import read as read
from minidns.plugins.kubernetes.plugin import setup as setup
