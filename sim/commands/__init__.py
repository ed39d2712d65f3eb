"""The commands of the simulation's command line, one module each."""
