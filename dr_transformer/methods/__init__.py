"""The methods beside it: kNN graphs, Laplacian Eigenmaps, PCA, UMAP."""
