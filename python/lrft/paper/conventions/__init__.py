"""What the paper leaves open in its simulations, searched: which choices fit what is printed."""
