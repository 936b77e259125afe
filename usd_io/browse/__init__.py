"""Stages as trees of rows for the terminal UI."""
