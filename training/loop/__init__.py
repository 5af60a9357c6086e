"""The training loop, from its set-up to a run that is saved and goes on."""
