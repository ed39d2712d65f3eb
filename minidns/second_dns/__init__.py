"""A second cluster DNS beside the first: made, used by chosen pods, taken away."""
