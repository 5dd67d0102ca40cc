"""From comparisons and their moments to rows of estimates, a module per family; `register` lists them."""
