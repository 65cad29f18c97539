"""State, control → state: models, states and solvers of what moves."""
