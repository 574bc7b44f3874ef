"""Files out, with the settings that made them: figures, films, tables, scripts, sessions, web pages."""
