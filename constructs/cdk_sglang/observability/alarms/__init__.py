"""Alarms on objectives, not on CPU: which alarms an endpoint has, whom they notify, and their runbooks."""
