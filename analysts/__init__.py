"""How analysts ask: the SQL shell. What needs no door of ours (Python, DuckDB, JDBC) is told in docs/."""
