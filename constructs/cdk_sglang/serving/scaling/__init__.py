"""What changes the number of copies: load and schedules."""
