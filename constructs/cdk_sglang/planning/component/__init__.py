"""One component: what its specification works out to on the instance types of its endpoint."""
