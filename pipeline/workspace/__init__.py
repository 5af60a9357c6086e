"""The folder that holds everything mocrop makes for one data set, and its database."""
