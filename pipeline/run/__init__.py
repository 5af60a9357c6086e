"""Plan and execute: which clips a stage must run on, which worker runs it, and what is recorded."""
