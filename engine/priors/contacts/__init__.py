"""Joints that rest, and how they are held in place."""
