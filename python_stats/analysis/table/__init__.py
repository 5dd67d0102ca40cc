"""What goes in and what comes out: comparisons as columns, their metric types and statuses, rows of estimates."""
