"""Deploy every stack of every environment to an embedded AWS, delete them again, and report what it refuses."""
