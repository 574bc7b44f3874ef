"""What imports Streamlit: the canvas, the sidebar, the state of a session."""
