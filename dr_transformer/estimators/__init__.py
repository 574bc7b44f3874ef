"""All methods as scikit-learn estimators."""
