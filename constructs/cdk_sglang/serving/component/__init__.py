"""Inference components: a model, its copies, and what a copy needs of its instance."""
