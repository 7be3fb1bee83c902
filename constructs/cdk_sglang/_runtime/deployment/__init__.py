"""Publish whether a deployment of an endpoint runs, so that its alarms page nobody for what a deployment does."""
