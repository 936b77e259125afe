"""Context, keys and gaps: what is known and what is to be filled."""
