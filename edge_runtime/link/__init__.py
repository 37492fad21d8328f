"""The socketpair between the supervisor and its children: the messages, and a child's end."""
