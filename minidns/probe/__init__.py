"""The client side: lookups at servers, and how the answers of several differ."""
