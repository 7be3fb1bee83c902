"""The door of the server: which requests a service gets to see, and which are refused before."""
