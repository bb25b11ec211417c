"""The page of a service with very much in it, in a real browser."""
