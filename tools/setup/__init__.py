"""Environments of a checkout, from hash-locked requirements (`make setup`, `make engine`). Standard library only."""
