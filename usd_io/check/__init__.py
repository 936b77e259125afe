"""Rules that a stage with animation has to keep."""
