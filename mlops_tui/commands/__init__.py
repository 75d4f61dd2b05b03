"""The commands of the command line: options in, an operation, a reporter, an exit code out."""
