"""What a stage holds and what a run would do, before anything is computed."""
