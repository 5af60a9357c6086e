"""From a folder of videos and split lists to labelled clips."""
