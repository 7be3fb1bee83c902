"""Commands for the optional agent."""
