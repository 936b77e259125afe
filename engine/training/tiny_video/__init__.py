"""Training of the tiny video model."""
