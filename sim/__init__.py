"""A simulated cluster, so that the whole path runs and teaches without one."""
