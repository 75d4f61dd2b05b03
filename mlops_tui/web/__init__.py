"""The terminal app in a browser of this machine."""
