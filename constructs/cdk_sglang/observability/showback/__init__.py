"""Cost of endpoints by component, adapter and team: samples every few minutes, and a CSV for each day."""
