"""What `stopline demo` is made of: the table, the closed loop, the operator, the report."""
