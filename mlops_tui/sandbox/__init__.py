"""A practice cloud on this machine: the protocols of Azure, Databricks and MLflow, really trained and tracked.

One HTTPS origin on loopback (`server`), its state in SQLite (`store`), then one file a service.
"""
