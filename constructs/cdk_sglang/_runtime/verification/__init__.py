"""Compares what an endpoint serves with its specification, and sends every component one request."""
