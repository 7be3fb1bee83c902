"""Drafts for speculative decoding: trained, measured against the model alone, and promoted only if they are faster."""
