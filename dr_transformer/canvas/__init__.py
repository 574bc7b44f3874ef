"""What the latent canvas of the browser is given, without a page around it."""
