"""What users write: the language, neural network layers, optimisers."""
