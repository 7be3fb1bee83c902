"""Observability of endpoints: dashboards, alarms on objectives, and showback of cost."""
