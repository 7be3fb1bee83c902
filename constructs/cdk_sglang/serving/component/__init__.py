"""Inference components: a model, its copies, and the resources that a copy needs on its instance."""
