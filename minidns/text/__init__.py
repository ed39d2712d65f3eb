"""Text as Go writes and reads it, and foreign text made safe to show."""
