"""Starts a pipeline on a schedule or an alarm."""
