"""The `config` commands of the console (configuration §13), as functions from words and a generation to an answer."""
