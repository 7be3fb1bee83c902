"""Every few minutes, sample the instances and components of endpoints; once a day, report the cost and who caused it."""
