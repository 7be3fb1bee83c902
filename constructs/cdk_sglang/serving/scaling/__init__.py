"""Scaling of the number of copies by load and schedules."""
