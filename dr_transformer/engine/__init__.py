"""What computes while people watch: jobs, and the runner that shares, stops and keeps them."""
