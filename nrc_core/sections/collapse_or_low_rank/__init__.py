"""Deep unconstrained features models with ReLU: neural collapse against solutions of low rank."""
