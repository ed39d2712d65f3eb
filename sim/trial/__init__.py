"""`minidns-sim trial`: trials in virtual time with a planted cause."""
