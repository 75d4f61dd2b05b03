"""Pipelines that really run: the files of Azure Pipelines and GitHub Actions, as far as this program writes them.

`model` has what hosts and runner say to each other; the hosts (`devops_…`, `github_…`) decide who may run what and
show it in their own words.
"""
