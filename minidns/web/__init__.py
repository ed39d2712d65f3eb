"""A page for a browser on this machine that shows walks of lookups."""
