"""Checks the training plan an endpoint runs on: before a deployment, and every hour until the plan ends."""
