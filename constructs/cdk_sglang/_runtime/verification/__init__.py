"""Compares what an endpoint serves with what was asked of it, and asks every component one question."""
