"""A generator of faults over the synthesised templates: kinds and rules, no list of cases."""
