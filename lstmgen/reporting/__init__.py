"""What people see: cards, the bar, the table of evaluations, plots."""
