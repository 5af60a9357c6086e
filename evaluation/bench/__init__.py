"""How fast this machine and its disk can feed training."""
