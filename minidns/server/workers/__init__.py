"""Several processes that answer on the same addresses (*multisocket*)."""
