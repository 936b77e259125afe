"""Runs on disk: folders, locks, events, processes, and what is kept between them."""
