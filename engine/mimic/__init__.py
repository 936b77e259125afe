"""Fitting poses to a video by differentiable rendering."""
