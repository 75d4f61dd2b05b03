"""Runs of the project's pipeline on its CI host: start one, follow it, say yes to it."""
