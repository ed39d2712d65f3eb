"""The simulated node: kubelet, kube-proxy, network, containers, external resolver."""
