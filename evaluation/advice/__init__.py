"""Which policy and settings the measured tables recommend for a data set."""
