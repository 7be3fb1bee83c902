"""Relations between the resources of a template that no schema states, as lists of facts and the few checks that read them."""
