"""Pipelines that really run: the files of Azure Pipelines and GitHub Actions, as far as this program writes them.

`model` has what hosts and runner say to each other; the hosts (`devops_…`, `github_…`) decide who may run what and
show it in their own words. A file is read to a `plan` (`azure_file`, `github_file`); for each run a `conductor` sees to
its order, for each job an `agent` does its steps (`actions`) on a machine of its own (`folders`). What differs between
the hosts is in `host_rules` and, while a job runs, in its `job_context` (`azure_job`, `github_job`).
"""
