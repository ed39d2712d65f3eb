"""Text in the formats of Go, and untrusted text made safe to show."""
