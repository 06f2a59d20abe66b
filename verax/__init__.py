"""verax: a pure-functional, staged array language on XLA."""
