"""Arithmetic: memory, performance, packing and cost. Pure Python: no CDK, no network."""
