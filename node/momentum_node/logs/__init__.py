"""What is logged: events of mail, and where they go."""
