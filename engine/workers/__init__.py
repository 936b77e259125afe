"""Processes beside the terminal UI that draw thumbnails and run self-tests."""
