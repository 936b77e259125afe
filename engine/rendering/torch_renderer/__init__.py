"""The differentiable renderer in torch, step by step."""
