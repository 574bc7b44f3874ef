"""Plotly charts for the screen, and the tables behind them."""
