"""The checks of `mocrop verify`, one module for each kind of file in a workspace, and the repair of what they find."""
