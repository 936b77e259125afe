"""Lists and tables that stay quick with 100,000 rows."""
