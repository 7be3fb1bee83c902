"""Serving images: ready-made or built."""
