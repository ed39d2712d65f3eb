"""``minidns split-dns``: point a laptop's resolver at minidns for cluster names."""
