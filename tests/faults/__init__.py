"""What can go wrong, and what lstmgen promises of it."""
