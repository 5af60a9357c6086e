"""Plan and execute: which clips a stage must do, on which worker, and what is recorded."""
