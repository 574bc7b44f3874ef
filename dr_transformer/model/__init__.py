"""The transformer, computed: from tokens to the latents of every sub-step, and the planes they are drawn in."""
