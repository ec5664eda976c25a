"""Where settings meet objects: one room for each thing that a command does."""
