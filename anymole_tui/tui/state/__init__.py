"""What is kept of what a person does: the session, presets, the review of gaps, what is played."""
