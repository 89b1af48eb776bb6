"""What the pictures of figures and claims share."""
