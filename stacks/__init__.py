"""The app's stacks: composition and wiring only."""
