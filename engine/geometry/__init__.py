"""Rotations, skeletons and distances between motions."""
