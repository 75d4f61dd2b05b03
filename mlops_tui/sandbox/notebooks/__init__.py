"""Notebooks that really run.

A *cluster* (`cluster.py`) is a warm process (`warm.py`) with the data science packages imported. For each run it forks
a *supervisor* (`supervisor.py`: output, secrets, limits, time, cancelling), which forks the *worker* (`worker.py`) that
executes the notebook's cells (`runner.py`). Where forking is not safe the worker is a fresh Python process.
"""
