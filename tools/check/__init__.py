"""What `make check` runs over the synthesised templates of every environment; `python -m tools.check` from the repository root."""
