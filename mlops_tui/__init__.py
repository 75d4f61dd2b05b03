"""From an empty Azure subscription to a deployed model, live in the terminal."""

__version__ = "0.1.0"
