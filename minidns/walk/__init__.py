"""One lookup as a list of steps, from the program's call to its result."""
