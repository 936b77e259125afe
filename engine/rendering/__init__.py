"""Drawing characters without GL: one shading model, differentiable."""
