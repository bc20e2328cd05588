"""What `poe gates` runs: the checks of the stack and of the code that no deployment needs."""
