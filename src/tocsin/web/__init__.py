"""The page of the running service: files that the API serves."""
