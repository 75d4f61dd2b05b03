"""The project's pipeline on its CI host: its file; and its runs: start one, follow it, say yes to it."""
