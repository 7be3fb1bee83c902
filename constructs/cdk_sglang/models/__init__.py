"""What a model's config.json says of it, and where its weights come from."""
