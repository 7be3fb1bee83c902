"""What `make docs` generates beside the written pages: references of the API, the settings and the command line."""
