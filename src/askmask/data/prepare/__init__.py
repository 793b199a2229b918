"""From files as people have them to a prepared data set: everything is checked, nothing guessed."""
