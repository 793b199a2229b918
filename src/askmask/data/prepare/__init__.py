"""From folders of files to a prepared data set: everything is checked, nothing guessed."""
