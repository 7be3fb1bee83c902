"""What endpoints cost, by component, adapter and team: samples every few minutes, and a CSV for every day."""
