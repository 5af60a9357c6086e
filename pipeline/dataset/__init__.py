"""A folder of videos and its lists to labelled clips."""
