"""What is asked of a filled motion beside the keys: joints that stay where they are, a walk in place."""
