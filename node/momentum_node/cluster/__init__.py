"""The cluster listener: what nodes say to each other directly, over mutual TLS, in the process that holds the key."""
