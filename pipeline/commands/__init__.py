"""What the user types: a workspace and options in, a report of what was done out."""
