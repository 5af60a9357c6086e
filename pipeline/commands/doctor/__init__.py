"""What `mocrop doctor` looks at: one module for each thing that mocrop needs of a machine."""
