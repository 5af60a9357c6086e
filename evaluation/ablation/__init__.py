"""Which crop helps: every policy trained and tested on the same clips."""
