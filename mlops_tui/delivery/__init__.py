"""Delivery: from a build's best run to an endpoint that answers, one file a stage of the road."""
