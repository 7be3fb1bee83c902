"""Alarms of an endpoint, and the metrics they watch."""
