"""The training loop: set-up, epochs, and runs that are saved and resumed."""
