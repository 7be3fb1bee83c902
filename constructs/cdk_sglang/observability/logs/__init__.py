"""Logs of an endpoint as metrics and as saved queries."""
