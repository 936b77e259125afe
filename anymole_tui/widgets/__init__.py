"""What the places of the terminal UI are made of, one widget per module."""
