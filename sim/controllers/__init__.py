"""The controllers of the simulated cluster, one module for each kind."""
