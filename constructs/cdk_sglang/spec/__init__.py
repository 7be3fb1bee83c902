"""Specifications: one frozen type for every concept of a fleet, used by both environment files and Python."""
