"""Pictures and plots of a result."""
