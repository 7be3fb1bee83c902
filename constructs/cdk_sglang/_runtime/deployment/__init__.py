"""Publish whether a deployment of an endpoint is running, so that its alarms page nobody for the effects of a deployment."""
