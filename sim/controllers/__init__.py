"""The controllers of the simulated cluster, one module per kind."""
