"""The page of `minidns.web` with a simulated cluster: faults, experiments, trials."""
