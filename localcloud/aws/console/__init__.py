"""The console: a page that draws the deployed CloudWatch dashboards, and the fleet, alarms and events next to them."""
