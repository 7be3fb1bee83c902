"""Schedules: at, rate and cron expressions, and EventBridge Scheduler."""
