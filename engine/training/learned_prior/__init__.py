"""Training of the learned motion prior."""
