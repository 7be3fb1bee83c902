"""Alarms by promise, not by CPU: what fires for an endpoint, who is told, and what its runbook says."""
