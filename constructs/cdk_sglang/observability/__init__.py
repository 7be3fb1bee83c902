"""What an endpoint does, what it costs, and whether it keeps its promise: dashboards, alarms, showback."""
