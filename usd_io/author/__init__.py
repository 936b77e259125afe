"""Authoring results as new layers over the untouched source."""
