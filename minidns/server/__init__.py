"""The process, its listeners, and the path from a datagram to a reply."""
