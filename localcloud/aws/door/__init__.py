"""The door of the server: which requests reach a service, and which are refused."""
