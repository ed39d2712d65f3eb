"""``minidns-sim demo``: the main use of minidns, step by step."""
