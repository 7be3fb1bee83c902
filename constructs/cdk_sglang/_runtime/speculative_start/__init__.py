"""Starts a pipeline by a schedule or an alarm."""
