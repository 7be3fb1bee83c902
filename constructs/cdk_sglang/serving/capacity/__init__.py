"""Instances, and reservations of them."""
