"""What lies over a place: small questions, and the base of all that is dimmed behind."""
