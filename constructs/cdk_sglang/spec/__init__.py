"""Specifications: one frozen type for every noun of a fleet, used by environment files and by Python alike."""
