"""Things and worlds out of words: what score distillation optimises, the loop, and what becomes of it."""
