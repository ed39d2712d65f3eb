"""Why an answer is what it is: asked of a running server, told to people."""
