"""What the data must be: contracts, the rules they state and the checks made of them."""
