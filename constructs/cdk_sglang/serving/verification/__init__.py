"""Whether a deployment serves what its specification says."""
