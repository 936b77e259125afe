"""A run as one HTML file for people without USD at hand."""
