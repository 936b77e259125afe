"""What a filled motion has to meet beside the keys: joints that stay where they are, a walk in place."""
