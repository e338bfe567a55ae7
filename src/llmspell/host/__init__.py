"""What the program can do: services in plain async Python. They know neither VM nor policy."""
