"""Fitting the pose of characters to a video, with a motion prior as the start (docs/mimicking.md)."""
