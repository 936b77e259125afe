"""Which models there are, where their weights are, and how they are fetched and converted."""
