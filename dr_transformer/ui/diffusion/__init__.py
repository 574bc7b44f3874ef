"""The page Graph diffusion: trained networks with A against A − I."""
