"""What is minimised: the loss of the predicted grid and of halting, and what is added to them."""
