"""Many shots at once: one task description, handed to engines that schedule, place and retry (docs/farm.md)."""
