"""What the papers claim of attention, term by term: objective, graph, spectrum, log normaliser, particles."""
