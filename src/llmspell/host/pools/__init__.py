"""Several models asked as if they were one."""
