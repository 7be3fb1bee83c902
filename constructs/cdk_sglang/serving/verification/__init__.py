"""Verification that a deployment serves what its specification states."""
