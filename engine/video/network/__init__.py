"""DynamiCrafter's network: layers, conditioning, noise schedule and sampler."""
