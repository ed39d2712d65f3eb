"""``minidns-sim demo``: the main use of minidns, told step by step."""
