"""DNS values and the wire format; this package does no I/O."""
