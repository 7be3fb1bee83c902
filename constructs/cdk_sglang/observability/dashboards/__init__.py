"""Dashboards as code: charts and layouts without CDK, their CloudWatch bodies, and the constructs that deploy them."""
