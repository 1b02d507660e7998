"""How a night is done: a step is a module, in the order of the data."""
