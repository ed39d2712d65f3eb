"""The simulated API server: objects, their store, and the HTTP that serves them."""
