"""The function that empties a bucket before its stack deletes it."""
